"""``flask streamend status --processes``: each web process's share."""

from __future__ import annotations

import json

import click

from ..facts import Facts
from ..state import AppState


def show_processes(state: AppState, as_json: bool) -> None:
    """Print each web process with the viewers it holds, most first.

    :raises StoreError: where the store does not answer.
    """
    rows = []
    for one in state.store.introduced():
        if not one.worker:
            facts = Facts.unpack(one.facts)
            rows.append(
                {
                    "process": one.who if facts is None else facts.where,
                    "server": None if facts is None else facts.server,
                    "clients": one.clients,
                    "room": None if facts is None else facts.room,
                }
            )
    rows.sort(key=lambda row: (-int(row["clients"] or 0), str(row["process"])))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'process':<24} {'server':<20} {'viewers':>7} {'room':>9}")
    for row in rows:
        room = f"{row['room']:,}" if row["room"] is not None else ""
        server = row["server"] or ""
        click.echo(f"{row['process']:<24} {server:<20} {row['clients']:>7} {room:>9}".rstrip())
