"""The values an application and the extension exchange: an event, its status, a notice."""

from __future__ import annotations

import inspect
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID

from . import words
from .errors import ConfigurationError, EventIdError

_L = TypeVar("_L")

#: An event id's alphabet: it stands in labels, keys, logs and URLs.
LONGEST_ID = 128
_EVENT_ID = re.compile(rf"[A-Za-z0-9._:@~-]{{1,{LONGEST_ID}}}", re.ASCII)
#: ``.`` and ``..`` vanish from URLs; ``_other`` is the label of what has no series of its own.
_RESERVED = frozenset({".", "..", "_other"})

#: A channel's name: it stands in labels, keys and logs.
CHANNEL_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
#: The longest that a host's ends are gathered, in seconds: a week, as the ledger keeps them.
MAX_DIGEST = 604_800.0

MAX_DELAY = 86_400.0
"""The longest grace period, in seconds: one day."""


def check_event_id(event_id: str) -> str:
    """Return the event id if it may be used.

    :raises EventIdError: where it is no string of 1 to 128 allowed characters, or is reserved.
    """
    if isinstance(event_id, str) and _EVENT_ID.fullmatch(event_id) and event_id not in _RESERVED:
        return event_id
    shown = repr(event_id if len(repr(event_id)) <= 80 else f"{str(event_id)[:60]}…")
    raise EventIdError(
        f"{shown} is no event id: expected 1 to 128 characters of A-Z a-z 0-9 . _ : @ ~ -,"
        " and not '.', '..' or '_other'"
    )


def _text(key: Any) -> Any:
    """Return a primary key, where it is a number or a UUID, as the text it is in this package."""
    is_key = isinstance(key, (int, UUID)) and not isinstance(key, bool)
    return str(key) if is_key else key


def check_viewer_id(viewer_id: object) -> str:
    """Return a viewer's id as text; a primary key may be given as it is.

    :raises ValueError: where it is neither a text that is not empty nor a number or a UUID.
    """
    name: object = _text(viewer_id)
    if isinstance(name, str) and name:
        return name
    what = repr(viewer_id) if viewer_id in (None, "", True, False) else type(viewer_id).__name__
    raise ValueError(f"{what} is no viewer's id: expected a text that is not empty")


def check_loader(loader: _L) -> _L:
    """Return a loader if it can be called as one.

    :raises ConfigurationError: where it is no function, or an async one, whose answer is a promise.
    """
    if not callable(loader):
        raise ConfigurationError(f"The loader is {loader!r}: expected a function")
    calls = (loader, loader.__call__, getattr(loader, "record", None))
    if any(map(inspect.iscoroutinefunction, calls)):
        name = getattr(loader, "__qualname__", repr(loader))
        raise ConfigurationError(f"The loader {name} is async: expected a function made with def")
    return loader


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_delay(delay: float, what: str) -> float:
    """Return the grace period in seconds if it may be used.

    :param what: what is being checked, for the error's text.
    :raises ValueError: where it is no number from 0 to 86,400.
    """
    if not _is_number(delay) or not 0 <= delay <= MAX_DELAY:
        raise ValueError(f"{what} is {delay!r}: expected a number of seconds from 0 to 86,400")
    return float(delay)


def _check_type(what: str, value: object, *types: type) -> None:
    """Stop a row's wrong column here: at the end its notice would fail, hours later."""
    if not isinstance(value, types):
        names = " or ".join("None" if one is type(None) else one.__name__ for one in types)
        raise TypeError(f"{what} is of type {type(value).__name__}: expected {names}")


@dataclass(frozen=True)
class Preferences:
    """How a host wants to be told.

    :param channels: names of the channels to use, each by itself; none: the host is not told.
    :param muted: True: the host is not told; it is counted as skipped.
    :param delay: the host's grace period in seconds; ``None``: the default.
    :param digest: seconds over which a host's ends become one message, over 0 to 604,800 (a
        week); ``None``: one an end.
    :raises ValueError: where one can't be used; the text says which, and what was expected.
    """

    channels: tuple[str, ...] = ("email",)
    muted: bool = False
    delay: float | None = None
    digest: float | None = None

    def __post_init__(self) -> None:
        # JSON has lists only; a frozen value has none.
        names: object = self.channels
        if isinstance(names, list):
            names = tuple(names)
            object.__setattr__(self, "channels", names)
        if not isinstance(names, tuple) or not all(map(_is_channel, names)):
            raise ValueError(
                f"Preferences.channels is {names!r}: expected a tuple of channels' names, each 1"
                " to 32 of a-z 0-9 _ -, as ('email',)"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"Preferences.channels is {names!r}: expected each name once")
        if not isinstance(self.muted, bool):
            raise ValueError(f"Preferences.muted is {self.muted!r}: expected True or False")
        if self.delay is not None:
            check_delay(self.delay, "Preferences.delay")
        seconds: Any = self.digest
        if seconds is not None and not (_is_number(seconds) and 0 < seconds <= MAX_DIGEST):
            raise ValueError(
                f"Preferences.digest is {seconds!r}: expected a number of seconds over 0 and up"
                " to 604,800, or None"
            )


def _is_channel(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(CHANNEL_NAME, name) is not None


@dataclass(frozen=True)
class Event:
    """What an event loader tells of an event; ids may be numbers and UUIDs, as primary keys are.

    :param id: the event's id, as in its socket's URL.
    :param name: its name, as the host knows it.
    :param host_id: whose event it is; empty: nobody's, and in no digest with others.
    :param host_email: where the notice goes; ``None`` or empty: nobody is told, and it is counted.
    :param delay: this event's grace period in seconds (0 to 86,400); ``None``: the host's, else
        the default.
    :param preferences: how the host wants to be told; ``None``: by e-mail.
    """

    id: str
    name: str
    host_id: str
    host_email: str | None
    delay: float | None = None
    preferences: Preferences | None = None

    def __post_init__(self) -> None:
        for name in ("id", "host_id"):
            object.__setattr__(self, name, _text(getattr(self, name)))
        check_event_id(self.id)
        _check_type("Event.name", self.name, str)
        _check_type("Event.host_id", self.host_id, str)
        _check_type("Event.host_email", self.host_email, str, type(None))
        _check_type("Event.preferences", self.preferences, Preferences, type(None))
        if self.delay is not None:
            check_delay(self.delay, "Event.delay")

    def grace(self, default: float) -> float:
        """Return the grace period in seconds: the event's, else its host's, else the default."""
        if self.delay is not None:
            return self.delay
        if self.preferences is not None and self.preferences.delay is not None:
            return self.preferences.delay
        return default


@dataclass(frozen=True)
class EventStatus:
    """How an event stands in the store. Times are seconds since the epoch, on the store's clock.

    :param event_id: the event.
    :param state: ``live`` with viewers, ``ending`` in its grace period, else ``idle``.
    :param clients: viewers now, over all processes.
    :param session: first viewer to end; ``None`` while idle.
    :param started_at: when the session began; ``None`` while idle.
    :param due_at: when the session ends if nobody comes back; ``None`` unless ending.
    :param peak: most viewers at once in this session.
    :param unique_viewers: different viewers so far in this session, of those who have a name; an
        estimate. ``None``: nobody has one.
    """

    event_id: str
    state: Literal["live", "ending", "idle"]
    clients: int = 0
    session: str | None = None
    started_at: float | None = None
    due_at: float | None = None
    peak: int = 0
    unique_viewers: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the status as the API's JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Notice:
    """What a channel is given to send: one event's end, to one host, or several ends in a digest.

    :param event: the event, loaded afresh at its end.
    :param session: the session that ended.
    :param due_at: when it ended, in seconds since the epoch on the store's clock.
    :param url: where the notice's button leads.
    :param stopped: True where the stream was stopped while viewers were still there.
    :param message_id: the same at every attempt for this session, so that a repeat is recognisable.
    :param members: of a digest, a notice for each end in it, the first one's data being the
        digest's own too; empty: the end is told by itself.
    :param started_at: when the session began, in seconds since the epoch on the store's clock.
    :param peak: most viewers at once in it.
    :param unique_viewers: different viewers in it, of those who have a name; an estimate. ``None``:
        nobody had one.
    """

    event: Event
    session: str
    due_at: float
    url: str
    message_id: str
    stopped: bool = False
    members: tuple[Notice, ...] = ()
    started_at: float | None = None
    peak: int = 0
    unique_viewers: int | None = None

    @property
    def ends(self) -> tuple[Notice, ...]:
        """Return a notice for each end it tells of, in the order they ended."""
        return tuple(sorted(self.members, key=lambda end: end.due_at)) or (self,)

    @property
    def subject(self) -> str:
        """Return its subject, one line: with the event's name, or how many they are."""
        return words.subject([end.event.name for end in self.ends])

    @property
    def title(self) -> str:
        """Return its title, without a name."""
        return words.TITLE if len(self.ends) == 1 else words.DIGEST_TITLE

    @property
    def subtitle(self) -> str:
        """Return what stands under the title."""
        return words.SUBTITLE if len(self.ends) == 1 else words.DIGEST_SUBTITLE

    @property
    def body(self) -> str:
        """Return what it says of each end, without the links."""
        return "\n".join(words.body(end.event.name, end.stopped) for end in self.ends)

    @property
    def text(self) -> str:
        """Return what it says and its links, as short plain text: for a chat or a phone."""
        return "\n".join(words.short(end.event.name, end.stopped, end.url) for end in self.ends)

    @property
    def duration(self) -> float:
        """Return the seconds from the session's first viewer to its end."""
        began = self.due_at if self.started_at is None else self.started_at
        return round(max(0.0, self.due_at - began), 3)


@dataclass(frozen=True)
class NoticeRecord:
    """What became of a notice, for an event loader that records notices.

    :param status: ``sent``, ``skipped``, ``retrying``, ``dead`` or ``digested``.
    :param attempts: attempts made so far.
    :param error: the last error, with addresses masked, or why it was skipped; else empty.
    :param at: when that was, in seconds since the epoch, on the store's clock.
    :param subject: ``None``: that of one event's end.
    """

    event_id: str
    session: str
    channel: str
    status: str
    message_id: str
    attempts: int
    error: str
    at: float
    subject: str | None = None
