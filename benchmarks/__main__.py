"""The command: ``python -m benchmarks connect|latency|scrape [options]``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import connect, latency, scrape
from .readings import machine


def main() -> None:
    """Run one measurement, print its table and write its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    chosen = parser.add_subparsers(dest="name", required=True)
    for module in (connect, latency, scrape):
        name = module.__name__.rpartition(".")[2]
        command = chosen.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
        # After the name too; left out there, it keeps what stood before.
        command.add_argument("--json", type=Path, default=argparse.SUPPRESS)
        module.add_options(command)
        command.set_defaults(measure=module.measure)
    options = parser.parse_args()
    before = machine()
    figures, tables = options.measure(options)
    figures = {"machine": before, "load_after": machine()["load"], **figures}
    sys.stdout.write("\n".join([*tables, f"machine: {before}, load after {figures['load_after']}"]))
    sys.stdout.write("\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


main()
