"""The mail server, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_streamend.event import Notice
from flask_streamend.notices.smtp import longest

if TYPE_CHECKING:
    from .people import Decision
    from .process import Process
    from .world import World


@dataclass
class Sent:
    """A notice that the mail server took.

    :ivar due: when the event ended, in seconds since the history began.
    :ivar began: when the attempt began in which it was taken.
    :ivar decided: how it was decided that the session is over.
    :ivar known: whether its sender can still say that it was taken.
    """

    event: str
    session: str
    message_id: str
    due: float
    began: float
    at: float
    by: Process
    stopped: bool
    decided: Decision | None
    known: bool = True

    def __repr__(self) -> str:
        return (
            f"notice of {self.event} {self.session} due {self.due:.3f},"
            f" at {self.at:.3f} by {self.by}"
        )


class Channel:
    """One process's way to the mail server."""

    name = "email"

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self.longest = longest(world.settings)

    def _wait(self) -> None:
        world = self._world
        slow = world.random.random() < world.mail_slow
        world.scheduler.sleep(world.random.uniform(0.0, 3.0) if slow else 0.004)

    def prepare(self) -> None:
        """Connect."""
        self._wait()
        if self._world.mail_away:
            raise ConnectionRefusedError("simulated")

    def send(self, notice: Notice) -> None:
        """Send a notice; it may be taken, and its answer lost."""
        world, began = self._world, self._world.scheduler.now
        self._wait()
        if world.mail_away:
            raise ConnectionResetError("simulated: before the data")
        sent = world.truth.take(notice, self._process, began)
        self._wait()
        if world.mail_away or world.random.random() < world.mail_unanswered:
            sent.known = False
            raise ConnectionResetError("simulated: after the data")
