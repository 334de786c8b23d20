"""``flask streamend canary ADDRESS``: does a real notice arrive?"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import with_appcontext

from ..errors import StoreError
from ..telemetry.logs import mask_address, printable
from .shared import ABSENT, shared_state, site_url, unable

if TYPE_CHECKING:
    from ..doctor.flight import Passed, Stopped


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise click.BadParameter(f"{value!r} is no e-mail address")
    return value


@click.command()
@click.argument("address", callback=_address)
@click.option("--timeout", type=click.FloatRange(2, 3600), default=60.0, help="Seconds; 60.")
@click.option(
    "--url", metavar="URL", callback=site_url, help="Watch by a WebSocket through this address."
)
@click.option("--json", "as_json", is_flag=True, help="For tools.")
@with_appcontext
def canary(address: str, timeout: float, url: str | None, as_json: bool) -> None:
    """Send a made-up event the whole real way, to a mail to ADDRESS; say how long each stage took.

    Exits with 0 where the mail server took the mail, with 1 where it did not in time, with 2 where
    the store could not be asked.
    """
    from ..doctor.flight import Flight, Stopped

    state = shared_state()
    passed: list[Passed] = []
    stopped: Stopped | None = None
    try:
        flight = Flight(state, f"Canary of {current_app.name}", address, url, timeout)
        if not as_json:
            click.echo(f"{flight.event.id} to {mask_address(address)}")
        try:
            for stage in flight.stages():
                passed.append(stage)
                if not as_json:
                    click.echo(f"{stage.at:7.3f} s  {stage.stage:<8} {stage.text}")
        except Stopped as stop:
            stopped = stop
        finally:
            flight.end()
    except StoreError as error:
        unable(error)
    if as_json:
        click.echo(json.dumps(_page(flight.event.id, passed, stopped), indent=2))
    elif stopped is not None:
        click.echo(f"stopped at {stopped.stage}: {printable(str(stopped))}")
        click.echo("What may be wrong: flask streamend doctor")
    sys.exit(ABSENT if stopped is not None else 0)


def _page(event_id: str, passed: list[Passed], stopped: Stopped | None) -> dict[str, object]:
    return {
        "event_id": event_id,
        "told": stopped is None,
        "stages": [asdict(stage) for stage in passed],
        "stopped_at": None if stopped is None else stopped.stage,
        "why": None if stopped is None else str(stopped),
    }
