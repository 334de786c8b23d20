"""``flask streamend grafana DIR``, as it is installed: no application, no Redis, no network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flask_streamend.commands.grafana import KINDS

from .reading import FOLDER

CHECKED_IN = {
    path.relative_to(FOLDER).as_posix(): path.read_bytes()
    for path in FOLDER.rglob("*")
    if path.suffix in KINDS
}


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the command where there is no application, towards ``site`` in a folder."""
    command = [sys.executable, "-m", "flask", "streamend", "grafana", str(folder / "site"), *args]
    return subprocess.run(
        command, check=False, cwd=folder, capture_output=True, text=True, timeout=60
    )


def written(folder: Path) -> dict[str, bytes]:
    """Return what lies in ``site`` in a folder, by name."""
    files = (path for path in (folder / "site").rglob("*") if path.is_file())
    return {path.relative_to(folder / "site").as_posix(): path.read_bytes() for path in files}


def test_it_writes_everything_and_no_code(tmp_path: Path) -> None:
    """Dashboards, rules, provisioning and what explains them, byte for byte; then the next step."""
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert written(tmp_path) == CHECKED_IN
    for name in ("dashboards/streamend-overview.json", "prometheus/prometheus.yml", "compose.yml"):
        assert f"new        {name}\n" in done.stdout
    assert f"Next: {tmp_path}/site/README.md" in done.stdout


def test_a_second_time_it_changes_nothing(tmp_path: Path) -> None:
    """What is there already is named as unchanged."""
    run(tmp_path)
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("unchanged  ") == len(CHECKED_IN)


def test_what_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    """One file differs: it is named, and not even what is missing is written."""
    run(tmp_path)
    (tmp_path / "site" / "compose.yml").write_text("mine")
    (tmp_path / "site" / "README.md").unlink()
    done = run(tmp_path)
    assert done.returncode == 1
    assert "compose.yml" in done.stderr
    assert "--force" in done.stderr
    assert written(tmp_path)["compose.yml"] == b"mine"
    assert "README.md" not in written(tmp_path)


def test_force_replaces_it(tmp_path: Path) -> None:
    """With --force the changed file is as the package has it; what is not ours stays."""
    run(tmp_path)
    (tmp_path / "site" / "compose.yml").write_text("mine")
    (tmp_path / "site" / "notes.txt").write_text("mine")
    done = run(tmp_path, "--force")
    assert done.returncode == 0, done.stderr
    assert "replaced   compose.yml\n" in done.stdout
    assert written(tmp_path) == {**CHECKED_IN, "notes.txt": b"mine"}


def test_where_it_cannot_write_it_says_so(tmp_path: Path) -> None:
    """A file in the way of a folder: status 2, and the reason."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "dashboards").write_text("in the way")
    done = run(tmp_path)
    assert done.returncode == 2
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr
