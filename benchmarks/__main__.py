"""The command: ``python -m benchmarks all [--short]``, or one measurement by its name."""

from __future__ import annotations

import argparse
import datetime
import json
import resource
import shlex
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from . import connect, latency, page, rest, scale, scrape, stored, told, traffic
from .readings import Others, machine

#: In the order of the page.
MEASUREMENTS: dict[str, ModuleType] = {
    "connect": connect,
    "told": told,
    "latency": latency,
    "traffic": traffic,
    "scrape": scrape,
    "stored": stored,
    "rest": rest,
    "scale": scale,
}


def main() -> None:
    """Run measurements, print their tables, and write their figures and the pages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    chosen = parser.add_subparsers(dest="name", required=True)
    every = chosen.add_parser("all", help="every measurement, one after the other")
    every.add_argument("--short", action="store_true", help="a look whether everything runs")
    every.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    for name, module in MEASUREMENTS.items():
        module.add_options(chosen.add_parser(name, help=(module.__doc__ or "").splitlines()[0]))
    for command in chosen.choices.values():
        command.add_argument("--json", type=Path, help="a file that the figures are added to")
        keeps = "keep the figures, and make the pages of them; `all` does, unless it is short"
        command.add_argument("--write", action="store_true", help=keeps)
    options = parser.parse_args()
    # What was started ends with it, too, where somebody ends it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    # Viewers are files, in the server's process and in theirs.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.name != "all":
        _run(options.name, options, _command(sys.argv[1:]))
        return
    options.write = options.write or not options.short
    for name in options.only:
        module = MEASUREMENTS[name]
        words = argparse.ArgumentParser()
        module.add_options(words)
        own = vars(words.parse_args([])) | (module.SHORT if options.short else {})
        _run(name, argparse.Namespace(**vars(options) | own), name)


def _command(words: list[str]) -> str:
    """Return what was asked for, without where it goes."""
    said = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    said.add_argument("--json")
    said.add_argument("--write", action="store_true")
    return shlex.join(said.parse_known_args(words)[1])


def _run(name: str, options: argparse.Namespace, command: str) -> None:
    """Run one measurement."""
    others = Others()
    figures, tables = MEASUREMENTS[name].measure(options)
    now = datetime.datetime.now(datetime.timezone.utc)
    measured: dict[str, Any] = {
        "command": f"python -m benchmarks {command}",
        "on": now.date().isoformat(),
        "machine": machine(),
        "others": round(others.share(), 3),
        "tables": tables,
        "figures": figures,
    }
    sys.stdout.write("\n\n".join([*tables, page.origin(measured)]) + "\n\n")
    sys.stdout.flush()
    if options.json:
        found = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps({**found, name: measured}, indent=1) + "\n")
    if options.write:
        page.keep(name, measured)


main()
