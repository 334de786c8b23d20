"""What commands share: the application's store, and how they exit."""

from __future__ import annotations

import sys
from typing import NoReturn

import click
from flask import current_app

from ..checks import http_url
from ..errors import StoreError
from ..state import AppState, state_of

#: Exit statuses beside 0: what was asked for is not there; it could not be looked for.
ABSENT = 1
UNABLE = 2


def shared_state() -> AppState:
    """Return the application's state, where a command can share its store; else exit."""
    state = state_of(current_app)
    if state.settings.in_memory:
        click.echo(
            "STREAMEND_REDIS_URL is memory://: what is there lies in the web process's memory, and"
            " no command can see it. Set a redis:// address.",
            err=True,
        )
        sys.exit(UNABLE)
    return state


def site_url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return an option that is a site's address, if it can be one."""
    try:
        return None if value is None else http_url(value)
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected {http_url.__doc__}") from None


def unable(error: StoreError) -> NoReturn:
    """Exit: the store does not answer."""
    click.echo(f"The store could not be asked: {error}", err=True)
    sys.exit(UNABLE)
