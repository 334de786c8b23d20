"""``flask streamend …``: what an operator does from a shell."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime

import click
from flask.cli import AppGroup

from .commands.canary import canary
from .commands.doctor import doctor
from .commands.grafana import grafana
from .commands.processes import show_processes
from .commands.shared import ABSENT, shared_state, unable
from .errors import EventIdError, StoreError
from .event import EventStatus, check_event_id
from .store.base import DeadAct, Record
from .store.bounds import KEEP_COUNT
from .telemetry.logs import printable

streamend = AppGroup("streamend", help="Viewers, ends and notices.")

for _command in (canary, doctor, grafana):
    streamend.add_command(_command)


def _checked(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else check_event_id(value)
    except EventIdError as error:
        raise click.BadParameter(str(error)) from error


def _line(status: EventStatus) -> str:
    return f"{status.event_id:<32} {status.state:<7} {status.clients:>7} {status.peak:>6}"


@streamend.command()
@click.argument("event", required=False, callback=_checked)
@click.option("--processes", is_flag=True, help="Show web processes instead, with their share.")
@click.option("--json", "as_json", is_flag=True, help="For tools.")
@click.option(
    "--watch",
    type=click.FloatRange(0.1, 3600),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Look again every SECONDS (2), with problems and notices, until Ctrl-C.",
)
def status(event: str | None, processes: bool, as_json: bool, watch: float | None) -> None:
    """Show how events stand: one, or all that are live or ending."""
    if watch is not None and (event or processes or as_json):
        raise click.UsageError("--watch shows everything: it takes nothing beside SECONDS.")
    state = shared_state()
    if watch is not None:
        from .commands.watch import run as run_watch

        run_watch(state, watch)
        return
    extension = state.extension
    try:
        if processes:
            show_processes(state, as_json)
            return
        state.store.look(None)  # where it does not answer, what this process knows is nothing
        found = [extension.event_status(event)] if event else list(extension.events())
    except StoreError as error:
        unable(error)
    if as_json:
        click.echo(json.dumps([status.to_dict() for status in found], indent=2))
        return
    click.echo(f"{'event':<32} {'state':<7} {'viewers':>7} {'peak':>6}")
    for one in sorted(found, key=lambda s: (-s.clients, s.event_id)):
        click.echo(_line(one))


@streamend.command()
@click.argument("event", callback=_checked)
def end(event: str) -> None:
    """End EVENT now, without grace; its host is told."""
    _act(event, "end_event", "ended; its host is told")


@streamend.command()
@click.argument("event", callback=_checked)
def purge(event: str) -> None:
    """Remove EVENT's session, and what dead processes left of it; nobody is told."""
    _act(event, "purge", "purged; nobody is told")


def _act(event: str, method: str, done: str) -> None:
    extension = shared_state().extension
    try:
        acted = getattr(extension, method)(event)
    except StoreError as error:
        unable(error)
    click.echo(f"{event}: {done if acted else 'no session'}")
    sys.exit(0 if acted else ABSENT)


@streamend.command()
@click.option("--dead", is_flag=True, help="Only those that were given up.")
@click.option("--json", "as_json", is_flag=True, help="For tools.")
def deliveries(dead: bool, as_json: bool) -> None:
    """Show the ledger of notices: the open ones, then the settled ones, newest first."""
    records = _records(dead)
    if as_json:
        click.echo(json.dumps([asdict(record) for record in records], indent=2))
        return
    # Those of other channels, and of digests, have longer names.
    wide = max([17, *(len(record.id) for record in records)])
    long = max([32, *(len(record.event_id) for record in records)])
    head = f"{'delivery':<{wide}} {'event':<{long}}"
    click.echo(f"{head} {'state':<8} {'tries':>5}  {'due':<19}  error")
    for record in records:
        due = datetime.fromtimestamp(record.due_at).isoformat(" ", "seconds")
        click.echo(
            f"{record.id:<{wide}} {record.event_id:<{long}} {record.state:<8} {record.attempts:>5}"
            f"  {due}  {printable(record.error)}".rstrip()
        )


@streamend.command()
@click.argument("delivery", required=False)
@click.option("--all", "every", is_flag=True, help="Every dead letter.")
def retry(delivery: str | None, every: bool) -> None:
    """Take up a dead letter once more: DELIVERY, or --all."""
    _on_dead("retry", delivery, every, "taken up once more")


@streamend.command()
@click.argument("delivery", required=False)
@click.option("--all", "every", is_flag=True, help="Every dead letter.")
def dismiss(delivery: str | None, every: bool) -> None:
    """Let a dead letter go that was read: DELIVERY, or --all."""
    _on_dead("dismiss", delivery, every, "let go")


def _records(dead: bool) -> list[Record]:
    try:
        records = shared_state().store.records(KEEP_COUNT)
    except StoreError as error:
        unable(error)
    return [record for record in records if record.state == "dead" or not dead]


def _on_dead(act: DeadAct, delivery: str | None, every: bool, words: str) -> None:
    if (delivery is None) != every:
        raise click.UsageError("Give one DELIVERY, or --all.")
    state = shared_state()
    wanted = [record.id for record in _records(dead=True)] if delivery is None else [delivery]
    try:
        done = [one for one in wanted if state.store.dead(act, one)]
        if act == "retry" and done:
            state.alarms.ring_unheard()
    except StoreError as error:
        unable(error)
    if delivery is None:
        click.echo(f"{len(done)} of {len(wanted)} dead letters {words}")
    else:
        click.echo(f"{delivery}: {words if done else 'no dead letter'}")
    sys.exit(0 if len(done) == len(wanted) else ABSENT)


@streamend.command()
@click.argument("seconds", type=click.FloatRange(0, 86_400), default=600)
def hold(seconds: float) -> None:
    """Send no notice for SECONDS (default 600; 0 lets go): for planned work.

    Ends wait meanwhile, and who comes back cancels them.
    """
    try:
        before = shared_state().store.hold(int(seconds * 1000))
    except StoreError as error:
        unable(error)
    if seconds:
        click.echo(f"No notice for {seconds:g} s; to let go sooner: flask streamend hold 0")
    else:
        click.echo("Let go" if before else "Nothing was held")


@streamend.command()
@click.argument("queues", nargs=-1)
@click.option("--burst", is_flag=True, help="Stop when nothing is left to do.")
@click.option("--with-scheduler", is_flag=True, help="For others' scheduled jobs; ours need none.")
def worker(queues: tuple[str, ...], burst: bool, with_scheduler: bool) -> None:
    """Run a worker for QUEUES (default: STREAMEND_QUEUE): no fork for our jobs, no scheduler.

    Other jobs on these queues are forked, as RQ does.
    """
    from redis import RedisError

    from .worker import run

    try:
        run(shared_state(), queues, burst, with_scheduler)
    except RedisError as error:
        unable(StoreError(f"Redis: {type(error).__name__}: {error}"))
