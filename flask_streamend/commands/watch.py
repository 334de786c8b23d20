"""``flask streamend status --watch``: figures, events and notices, drawn again and again.

On a terminal it keeps to the screen and counts down; elsewhere one picture follows the other.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import ceil

import click

from ..condition import Condition, Seen
from ..event import EventStatus
from ..state import AppState
from ..store.base import Record
from ..store.bounds import OVERDUE_MS
from ..store.totals import OWED, Totals
from ..telemetry.logs import printable
from ..telemetry.words import why

#: Events, and deliveries, of each kind that are read.
ROWS = 100
#: Seconds between two drawings: what counts down moves more often than it is read.
TICK = 0.5
#: A picture's size where there is no terminal to fit.
LINES, COLUMNS = 100, 100
EVENT, STATE = 32, 8

#: A line, and how a terminal shows it: a colour, ``bold``, ``dim``, ``underline``, or plainly.
Line = tuple[str, str]

# To the alternate screen, without cursor and wrapping; and back.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"


class Watch:
    """What was seen last, and how it is drawn.

    :param look: looks once.
    :param silent: returns the seconds since the store answered last.
    """

    def __init__(self, look: Callable[[], Seen], silent: Callable[[], float]) -> None:
        self._look = look
        self._silent = silent
        self._seen: Seen | None = None
        self._known: Seen | None = None
        self._at = time.monotonic()

    def look(self) -> None:
        """Look once; what was known before is kept where the store does not answer."""
        self._seen = self._look()
        if self._seen.answered:
            self._known, self._at = self._seen, time.monotonic()

    def lines(self, height: int, width: int) -> list[Line]:
        """Return the picture in at most ``height`` lines; only tables may be wider than said."""
        assert self._seen is not None
        lines = _problems(self._seen, width)
        known, away = self._known, not self._seen.answered
        if away:
            text = "Not heard yet: nothing is known"
            if known is not None:
                text = f"Last heard {self._silent():.0f} s ago: what stands here was true then"
            lines.append((text, "red"))
        if known is not None and known.totals is not None:
            lines.insert(0, (_figures(known, known.totals), "dim" if away else "bold"))
            room = max(0, height - len(lines))
            now = known.totals.now / 1000 + time.monotonic() - self._at
            tables = _tables(known, known.totals, now, room)
            lines += [(text, "dim") for text, _ in tables] if away else tables
        return lines[:height]


def _figures(seen: Seen, totals: Totals) -> str:
    owed = sum(totals.deliveries[state] for state in OWED)
    words = [
        _several(totals.clients, "viewer"),
        f"{totals.live:,} live",
        f"{totals.ending:,} ending",
        f"{owed:,} to be told",
        _several(totals.dead, "dead letter"),
        _several(totals.processes, "web process", "es"),
    ]
    if seen.queue is not None:
        words.append(_several(sum(seen.queue.workers.values()), "worker"))
    return ", ".join(words)


def _several(count: int, what: str, ending: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else ending}"


def _problems(seen: Seen, width: int) -> list[Line]:
    """Return each problem with its cure, in whole."""
    texts = (f"{found['code']}: {found['message']}" for found in seen.problems)
    return [(line, "red") for text in texts for line in textwrap.wrap(text, max(20, width))]


def _tables(seen: Seen, totals: Totals, now: float, room: int) -> list[Line]:
    """Return events and deliveries, the events in what the deliveries leave of the room."""
    assert seen.overview is not None
    shown, waits = seen.overview, totals.hold or totals.gap
    events = [_event(status, now, waits) for status in (*shown.ending, *shown.live)]
    records = (*shown.dead, *shown.owed, *shown.settled)
    deliveries = [_delivery(record, now, waits) for record in records]
    head = f"{'event':<{EVENT}} {'state':<{STATE}} {'viewers':>7} {'peak':>7}  ends in"
    other = f"{'event':<{EVENT}} {'notice':<{STATE}} {'tries':>7} {'ended':>7}  what"
    if not events:
        events = [("nobody is watching, nothing is ending", "dim")]
    if not deliveries:
        deliveries = [("no event has ended yet", "dim")]
    # Two empty lines, two heads; a third of the rest for the deliveries, more where it is left.
    rest = max(0, room - 4)
    for_events = min(len(events), rest - min(len(deliveries), rest // 3))
    missing = totals.live + totals.ending - len(shown.ending) - len(shown.live)
    return [
        *(("", ""), (head, "underline")),
        *_cut(events, for_events, max(0, missing)),
        *(("", ""), (other, "underline")),
        *_cut(deliveries, rest - for_events, 0),
    ]


def _cut(rows: list[Line], room: int, missing: int) -> list[Line]:
    """Return as many rows as there is room for; the last one says how many there are more."""
    if len(rows) <= room and not missing:
        return rows
    kept = rows[: max(0, room - 1)]
    return [*kept, (f"… and {len(rows) - len(kept) + missing:,} more", "dim")][:room]


def _event(status: EventStatus, now: float, waits: int) -> Line:
    row = f"{status.event_id:<{EVENT}} {status.state:<{STATE}} {status.clients:>7} {status.peak:>7}"
    if status.due_at is None:
        return row, ""
    left = status.due_at - now
    if left > 0:
        return f"{row}  {_clock(left)}", "yellow"
    if waits:
        return f"{row}  waits", "yellow"
    late = -left > OVERDUE_MS / 1000
    return f"{row}  {f'{_span(-left)} overdue' if late else 'now'}", "red" if late else "yellow"


def _delivery(record: Record, now: float, waits: int) -> Line:
    what, colour = printable(why(record)), ""
    if record.settled_at is None:
        late = not waits and now - record.due_at > OVERDUE_MS / 1000
        colour = "red" if late else "yellow"
        if record.state == "retrying" and record.next_at is not None:
            what = f"next in {_clock(max(0.0, record.next_at - now))}  {what}"
    elif record.state == "sent":
        late_by = record.settled_at - record.due_at
        what = f"after {late_by * 1000:.0f} ms" if late_by < 1 else f"after {_span(late_by)}"
    elif record.state == "dead":
        what, colour = f"flask streamend retry {record.id}, or dismiss  {what}", "red"
    ended = _span(now - record.due_at)
    row = f"{record.event_id:<{EVENT}} {record.state:<{STATE}} {record.attempts:>7} {ended:>7}"
    return f"{row}  {what}".rstrip(), colour


def _clock(seconds: float) -> str:
    minutes, rest = divmod(ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def run(state: AppState, seconds: float) -> None:
    """Show the condition until Ctrl-C.

    :param seconds: from one look to the next.
    """
    condition = Condition(state)
    watch = Watch(lambda: condition.look(ROWS, ROWS), condition.silent)
    with suppress(KeyboardInterrupt):
        if sys.stdout.isatty():
            with _screen():
                _draw(watch, seconds)
        else:
            _print(watch, seconds)


def _print(watch: Watch, seconds: float) -> None:
    while True:
        watch.look()
        for text, _ in watch.lines(LINES, COLUMNS):
            click.echo(text)
        click.echo("")
        time.sleep(seconds)


@contextmanager
def _screen() -> Iterator[None]:
    sys.stdout.write(_ENTER)
    try:
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _draw(watch: Watch, seconds: float) -> None:
    colours = "NO_COLOR" not in os.environ
    looked = -seconds
    while True:
        if time.monotonic() - looked >= seconds:
            looked = time.monotonic()
            watch.look()
        width, height = shutil.get_terminal_size()
        hint = f"flask streamend status --watch {seconds:g}   Ctrl-C ends"
        lines = [(hint, "dim"), *watch.lines(height - 1, width)]
        shown = (_styled(text[:width], how if colours else "") for text, how in lines)
        sys.stdout.write("\x1b[H" + "\n".join(f"{line}\x1b[K" for line in shown) + "\x1b[J")
        sys.stdout.flush()
        time.sleep(min(TICK, seconds))


def _styled(text: str, how: str) -> str:
    """Return a line as a terminal shows it."""
    if how in ("bold", "dim", "underline"):
        return click.style(text, **{how: True})
    return click.style(text, fg=how) if how else text
