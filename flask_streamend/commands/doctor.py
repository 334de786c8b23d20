"""``flask streamend doctor``: is everything as a notice needs it?"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
from flask.cli import ScriptInfo

from ..state import state_of
from ..telemetry.logs import log
from .shared import UNABLE, site_url

if TYPE_CHECKING:
    from ..doctor.examine import Verdict

#: Exit status where something is wrong.
PROBLEMS = 1

Settings = list[tuple[str, str, str]]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For tools.")
@click.option("--settings", "whole", is_flag=True, help="Show every setting, secrets masked.")
@click.option(
    "--url",
    metavar="URL",
    callback=site_url,
    help="Where viewers find the site, if not at FRONTEND_URL.",
)
@click.option("--offline", is_flag=True, help="Fetch nothing through FRONTEND_URL.")
@click.pass_context
def doctor(
    context: click.Context, as_json: bool, whole: bool, url: str | None, offline: bool
) -> None:
    """Look at what is often set up wrong; say for each what was found, and the cure.

    Exits with 0 where all is well, with 1 where there is a problem, with 2 where it could not look.
    Warnings ("! ") may be meant so, and count for nothing.
    """
    verdict, settings = _examined(context.ensure_object(ScriptInfo), url, not offline)
    status = UNABLE if not verdict.looked else PROBLEMS if verdict.count("problem") else 0
    if as_json:
        _print_json(verdict, settings if whole else None, status)
    else:
        _print(verdict, settings if whole else [])
    sys.exit(status)


def _examined(script: ScriptInfo, url: str | None, fetch: bool) -> tuple[Verdict, Settings]:
    from ..doctor.examine import Verdict, examine
    from ..doctor.findings import Case, wrong
    from ..doctor.site import settings_of

    log.disabled = True  # what it says at a start is said here, with more
    try:
        app = script.load_app()
        state = state_of(app)
    except click.ClickException:
        raise  # no application was named: Flask says how
    except Exception as error:  # noqa: BLE001 - whatever the application's code raises
        return Verdict((wrong("application-fails", f"{type(error).__name__}: {error}"),), False), []
    finally:
        log.disabled = False
    with app.app_context():
        case = Case(app, state, url, fetch)
        return examine(case), settings_of(case)


def _print_json(verdict: Verdict, settings: Settings | None, status: int) -> None:
    page: dict[str, object] = {
        "status": {0: "ok", PROBLEMS: "problems", UNABLE: "unable"}[status],
        "problems": verdict.count("problem"),
        "warnings": verdict.count("warning"),
        "findings": [finding.to_dict() for finding in verdict.findings],
    }
    if settings is not None:
        page["settings"] = [
            dict(zip(("key", "value", "from"), row, strict=True)) for row in settings
        ]
    click.echo(json.dumps(page, indent=2))


def _print(verdict: Verdict, settings: Settings) -> None:
    from ..doctor.findings import counted

    for key, value, origin in settings:
        click.echo(f"{key:<32} {value:<24} {origin}")
    for finding in verdict.findings:
        click.echo(str(finding))
    said = counted(verdict.count("problem"), "problem")
    warnings = verdict.count("warning")
    click.echo(f"{said}, {counted(warnings, 'warning')}" if warnings else said)
