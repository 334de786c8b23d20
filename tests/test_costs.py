"""What things cost, in what can be counted exactly: commands in Redis, threads, files. Not seconds.

A bound here is today's figure. What costs more has to say so here; what costs less lowers it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from werkzeug.serving import ThreadedWSGIServer

from flask_streamend import Event, Notice, Preferences, StreamEnd
from flask_streamend.inbound import Reader
from flask_streamend.state import AppState, state_of
from flask_streamend.testing import Socket
from flask_streamend.viewers import Named, Viewer

from .apps.store import Web
from .commands import Commands, commands
from .conftest import StartSite, missing
from .servers import Site, eventually
from .viewers import WORKERS, RawViewer, count, wait_for

#: Seconds of grace: nothing ends here by itself.
DELAY = 3600.0
#: What is sent to Redis in an act, and what it runs with that: of one event each.
BOUNDS = {
    "the first comes": (1, 23),
    "one more comes": (1, 22),
    "one of several leaves": (1, 21),
    "the last leaves": (7, 28),
    "somebody is back in time": (8, 31),
}
#: The same of a process's beat, and of a scrape.
BEAT = (1, 19)
SCRAPE = (7, 32)
#: Sent for an end that is told, with all that its worker asks; and for each further one.
TOLD, EACH = 13, 6
VIEWERS = 20


class Quiet:
    """A channel that tells nobody."""

    name = "quiet"

    def send(self, notice: Notice) -> None:
        """Do nothing."""


def application(redis_url: str, **config: object) -> Flask:
    """Return an application whose keeper does nothing by itself: these tests say when."""
    app = Flask("costs")
    app.config.update(
        SECRET_KEY="costs" * 8,
        STREAMEND_REDIS_URL=redis_url,
        STREAMEND_DELAY=DELAY,
        FRONTEND_URL="https://live.example.org",
        MAIL_DEFAULT_SENDER="live@example.org",
        **config,
    )
    by = Preferences(channels=("quiet",))
    StreamEnd(
        app,
        event_loader=lambda event_id: Event(event_id, event_id, "h1", "", preferences=by),
        channels=[Quiet()],
    )
    state_of(app).keeper.stop()
    return app


@pytest.fixture
def app(redis_url: str, redis: Redis) -> Iterator[Flask]:
    """Return an application that has done everything once: scripts are loaded, Redis knows it."""
    app = application(redis_url)
    state = state_of(app)
    crowd = Crowd(state)
    crowd.come("warm")
    crowd.leave("warm")
    crowd.come("warm")
    state.sweep.beat()
    state.sweep.beat()
    state.introduction.tick()
    app.test_client().get("/metrics")
    told(redis, app, 1)
    yield app
    state.redis.close()  # type: ignore[union-attr]


class Crowd:
    """Viewers of one process, and its reports.

    :ivar state: the process's parts.
    """

    def __init__(self, state: AppState) -> None:
        self.state = state
        self._here: dict[str, list[Named]] = {}

    def come(self, *events: str) -> None:
        """Have a viewer of each event come, and report them together."""
        for event_id in events:
            viewer = Named("")
            self._here.setdefault(event_id, []).append(viewer)
            self.state.presence.enter(event_id, viewer, DELAY)
        self.state.presence.flush()

    def leave(self, *events: str) -> None:
        """Have a viewer of each event leave, likewise."""
        for event_id in events:
            self.state.presence.leave(event_id, self._here[event_id].pop())
        self.state.presence.flush()


@pytest.fixture
def crowd(app: Flask) -> Crowd:
    """Return the application's viewers."""
    return Crowd(state_of(app))


def cost(redis: Redis, act: Callable[[], object]) -> Commands:
    """Return what an act does to Redis."""
    with commands(redis) as found:
        act()
    return found


def within(found: Commands, bound: tuple[int, int]) -> None:
    """Fail where an act did more than its bound allows."""
    sent, ran = found.count
    assert (sent <= bound[0], ran <= bound[1]) == (True, True), found.ran


# A viewer.


def test_a_viewer_s_own_request_asks_redis_nothing(redis_url: str, redis: Redis) -> None:
    """Neither the first nor the last does: another thread reports; nor one where limits apply."""
    app = application(redis_url, STREAMEND_MAX_CLIENTS=50, STREAMEND_MAX_CLIENTS_PER_EVENT=50)

    def visit() -> None:
        opened = [Socket(app.test_client(), "/ws/jam", "", {}) for _ in range(3)]
        for viewer in opened:
            viewer.send("hello")
        assert state_of(app).presence.total() == 3
        for viewer in opened:
            viewer.close()
        assert state_of(app).presence.total() == 0

    assert cost(redis, visit).sent == []


def test_comings_and_goings(redis: Redis, crowd: Crowd) -> None:
    """Each is one command, and an end's alarm one pipeline more."""
    acts = {
        "the first comes": crowd.come,
        "one more comes": crowd.come,
        "one of several leaves": crowd.leave,
        "the last leaves": crowd.leave,
        "somebody is back in time": crowd.come,
    }
    for name, act in acts.items():
        within(cost(redis, lambda act=act: act("jam")), BOUNDS[name])  # type: ignore[misc]


def test_a_crowd_costs_what_one_costs(redis: Redis, crowd: Crowd) -> None:
    """500 who come, or leave, within one report do no more to Redis than one does."""
    crowd.come("jam")
    assert cost(redis, lambda: crowd.come("jam")).ran == (
        cost(redis, lambda: crowd.come(*["jam"] * 500)).ran
    )
    assert cost(redis, lambda: crowd.leave("jam")).ran == (
        cost(redis, lambda: crowd.leave(*["jam"] * 500)).ran
    )


def test_many_events_are_one_report(redis: Redis, crowd: Crowd) -> None:
    """50 events that begin, or are left, at once are as many round trips as one."""
    events = [f"jam-{number}" for number in range(50)]
    assert cost(redis, lambda: crowd.come(*events)).sent == ["EVALSHA"]
    sent = cost(redis, lambda: crowd.leave(*events)).sent
    # A pipeline, between these two, is one round trip.
    assert (sent[:2], sent[-1], sent.count("EXEC")) == (["EVALSHA", "MULTI"], "EXEC", 1)


class Follower(Named):
    """A viewer whom another follows to another event, while the report of the first is made."""

    listens = True

    def __init__(self, crowd: Crowd) -> None:
        super().__init__("")
        self._crowd = crowd

    def tell(self, clients: int) -> None:
        """Have the other one come."""
        self._crowd.state.presence.enter("next", Named(""), DELAY)


def test_who_comes_during_a_report_waits_for_the_next(
    redis: Redis, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that had others come is not followed by one for each of them at once."""
    monkeypatch.setattr("flask_streamend.crowd.APART", 60.0)
    presence = crowd.state.presence
    presence.enter("jam", Follower(crowd), DELAY)

    def report() -> None:
        presence.flush()
        assert (presence.tick() or 0.0) > 1.0

    assert cost(redis, report).sent == ["EVALSHA"]
    assert presence.holds("next")


# A process at rest, and a worker.


def test_a_beat_costs_the_same_whatever_is_held(redis: Redis, crowd: Crowd) -> None:
    """Lease and sweep: for one viewer, and for 2,000 of 200 events."""
    beat = crowd.state.sweep.beat
    alone = cost(redis, beat)
    crowd.come(*(f"jam-{number % 200}" for number in range(2000)))
    assert cost(redis, beat).ran == alone.ran
    within(alone, BEAT)


class Walked(dict[str, Any]):
    """Counts how often somebody looks at all that it has."""

    walks = 0

    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()

    def keys(self) -> Any:
        """Count, and return what a dictionary does."""
        self.walks += 1
        return super().keys()

    def values(self) -> Any:
        """Count, and return what a dictionary does."""
        self.walks += 1
        return super().values()

    def items(self) -> Any:
        """Count, and return what a dictionary does."""
        self.walks += 1
        return super().items()


class Many(set[Viewer]):
    """The same of an event's viewers."""

    walks = 0

    def __iter__(self) -> Iterator[Viewer]:
        self.walks += 1
        return super().__iter__()


def test_reports_and_beats_look_at_what_changed(crowd: Crowd) -> None:
    """Neither goes through the events that are held, nor through the viewers of one."""
    presence = crowd.state.presence
    crowd.come(*(f"jam-{number}" for number in range(200)), "jam")
    everybody = presence._viewers["jam"] = Many(presence._viewers["jam"])
    held = presence._viewers = Walked(presence._viewers)
    known = presence._known = Walked(presence._known)
    crowd.come("jam", "new")
    crowd.leave("jam", "new")
    crowd.state.sweep.beat()
    assert (held.walks, known.walks, everybody.walks) == (0, 0, 0)


def test_a_keeper_at_rest_does_nothing_but_beat(redis: Redis, crowd: Crowd) -> None:
    """Between two beats no task of the keeper's asks Redis anything."""
    state = crowd.state
    tasks = (state.presence.tick, state.endings.tick, state.introduction.tick, state.write_counts)
    assert cost(redis, lambda: [task() for task in (*tasks, state.recording.tick)]).sent == []


def test_what_is_due_is_found_among_any_number(redis: Redis, app: Flask, crowd: Crowd) -> None:
    """Ten ends cost a worker the same among ten events, and among 1,000 that go on."""
    few = told(redis, app, 10)
    crowd.come(*(f"live-{number}" for number in range(1000)))
    assert told(redis, app, 10).ran == few.ran


def test_a_worker_s_costs_are_by_end(redis: Redis, app: Flask) -> None:
    """One look, and for each end the same again."""
    one = len(told(redis, app, 1).sent)
    eleven = len(told(redis, app, 11).sent)
    assert one <= TOLD
    assert (eleven - one) / 10 <= EACH


def told(redis: Redis, app: Flask, ends: int) -> Commands:
    """Have so many events end, and return what a worker does until their hosts are told."""
    state = state_of(app)
    Web(state.store, f"visitor-of-{ends}-{os.urandom(4).hex()}").visit(
        *(f"over-{number}" for number in range(ends))
    )
    eventually(lambda: state.store.look(None).ready == ends, f"{ends} ends are due")

    def work() -> None:
        with app.app_context():
            if state.store.look(None).ready:
                state.deliverer.deliver_due()

    found = cost(redis, work)
    assert state.store.next_try() is None
    return found


# A page.


def test_a_scrape_costs_the_same_however_many_events(
    redis: Redis, app: Flask, crowd: Crowd
) -> None:
    """Its commands are as many with one event as with 2,000."""

    def scrape() -> None:
        assert app.test_client().get("/metrics").status_code == 200

    few = cost(redis, scrape)
    crowd.come(*(f"jam-{number}" for number in range(2000)))
    assert cost(redis, scrape).sent == few.sent
    within(few, SCRAPE)


# A connection.


def of_process(pid: int, what: str) -> int:
    """Return how many threads (``task``) or files (``fd``) a process has."""
    return len(os.listdir(f"/proc/{pid}/{what}"))


def only_child(site: Site) -> int:
    """Return the process that serves a site."""
    pid = site.process.popen.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


@pytest.mark.parametrize(("kind", "threads"), [("gevent", 0), ("gthread", 2)])
def test_what_a_viewer_takes_of_its_server(start_site: StartSite, kind: str, threads: int) -> None:
    """One file, and under gthread two threads: the server's own and the socket's reader."""
    if not Path("/proc/self/task").exists():
        missing("/proc", "only Linux tells what a process has")
    site = start_site(*WORKERS[kind])
    pid = only_child(site)
    first = watch(site, VIEWERS)
    wait_for(site, VIEWERS)
    before = {what: of_process(pid, what) for what in ("task", "fd")}
    watch(site, VIEWERS)
    wait_for(site, 2 * VIEWERS)
    # The page that tells how many there are is a request too, and its file may still be open.
    assert of_process(pid, "fd") - before["fd"] <= VIEWERS + 1
    assert of_process(pid, "task") - before["task"] <= threads * VIEWERS
    assert first
    RawViewer.close_all()
    eventually(lambda: count(site) == 0, "all have left")


def test_no_thread_of_a_viewer_s_is_looked_after(redis_url: str) -> None:
    """Each that begins or ends has Python go through all of those, where it waits for them."""
    served = ThreadedWSGIServer("127.0.0.1", 0, application(redis_url))
    # Else what it starts would be none that is waited for anyway.
    served.daemon_threads = False
    serving = threading.Thread(target=served.serve_forever)
    serving.start()

    def readers() -> list[Reader]:
        return [thread for thread in threading.enumerate() if isinstance(thread, Reader)]

    try:
        RawViewer(served.port, "jam")
        eventually(lambda: len(readers()) == 1, "its reader has begun")
        assert [reader.daemon for reader in readers()] == [True]
    finally:
        RawViewer.close_all()
        served.shutdown()
        served.server_close()
        serving.join()


def watch(site: Site, viewers: int) -> Sequence[RawViewer]:
    """Open so many sockets."""
    return [RawViewer(site.port, "jam") for _ in range(viewers)]
