"""``flask streamend grafana DIR``: write the dashboards, rules and alerts the package carries."""

from __future__ import annotations

import sys
from pathlib import Path

import click

#: What the package carries; in a checkout it is a link to where the code that made it lies too.
BUNDLE = Path(__file__).parents[1] / "grafana"
KINDS = (".json", ".md", ".yml")

#: Exit statuses beside 0: something else is there; it could not be written.
REFUSED = 1
UNABLE = 2


def bundled() -> dict[str, bytes]:
    """Return what there is to write, by its path under the directory."""
    found = (path for path in sorted(BUNDLE.rglob("*")) if path.suffix in KINDS)
    return {path.relative_to(BUNDLE).as_posix(): path.read_bytes() for path in found}


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also over files that differ.")
def grafana(directory: Path, force: bool) -> None:
    """Write dashboards, rules, alerts and provisioning for Grafana and Prometheus to DIR.

    Files of the same name that differ are left alone, and nothing is written, without --force.
    """
    files = bundled()
    if not files:
        click.echo(f"{BUNDLE} is empty. Install flask-streamend again.", err=True)
        sys.exit(UNABLE)
    try:
        there = {
            name: (directory / name).read_bytes() for name in files if (directory / name).is_file()
        }
        changed = [name for name, content in there.items() if content != files[name]]
        if changed and not force:
            _refuse(directory, changed)
        for name in files.keys() - (there.keys() - changed):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(files[name])
    except OSError as error:
        click.echo(f"{directory} can't be written: {error}", err=True)
        sys.exit(UNABLE)
    for name in files:
        done = "new" if name not in there else "replaced" if name in changed else "unchanged"
        click.echo(f"{done:<9}  {name}")
    click.echo(f"Next: {directory / 'README.md'} says what to mount where.")


def _refuse(directory: Path, changed: list[str]) -> None:
    click.echo(f"Nothing was written. In {directory} these differ from what would be:", err=True)
    for name in changed:
        click.echo(f"  {name}", err=True)
    click.echo("Choose another DIR, or replace them with --force.", err=True)
    sys.exit(REFUSED)
