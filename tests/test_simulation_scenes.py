"""Single scenes on simulated time: what the long run of histories found, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from flask_streamend.alarms_local import LocalAlarms
from flask_streamend.ending import Alarm, Alarms
from flask_streamend.known import Known
from flask_streamend.notices.attempts import lease_of
from flask_streamend.notices.settling import RECORD
from flask_streamend.owed import Owed
from flask_streamend.standin import StandIn
from flask_streamend.store.base import Change, Held, Kept, Outcome, Reported
from flask_streamend.store.memory import MemoryStore
from flask_streamend.timer import Timer

from .simulation.mail import Sent
from .simulation.people import Viewer
from .simulation.process import Process, Worker
from .simulation.world import World, simulated

LEASE, DELAY = 6.0, 4.0


@pytest.fixture
def world() -> Iterator[World]:
    """Return a quiet world, in which nothing goes wrong by itself."""
    world = World(0)
    world.lease, world.delay, world.quiet = LEASE, DELAY, LEASE / 2
    world.settings = replace(world.settings, lease=LEASE, delay=DELAY, mail_timeout=2.0)
    with simulated(world):
        world.server.started()
        yield world
        assert world.failure is None


def run(world: World, seconds: float) -> None:
    """Have time pass."""
    world.scheduler.run(world.scheduler.now + seconds)


def told(world: World) -> list[Sent]:
    """Return the notices of the event."""
    return world.truth.sent["jam"]


def test_what_a_process_says_at_its_end_is_heard_by_a_store_that_hung(world: World) -> None:
    """A viewer came and went while the store hung, and the process stops: told all the same."""
    process, other = world.start_process(), world.start_process()
    world.start_worker()
    run(world, 6)
    world.server.hangs = True
    world.join("gig", process)
    run(world, 1)
    viewer = world.join("jam", process)
    world.stop(process)
    world.leave(viewer)
    run(world, 1.2)
    world.server.go_on()
    run(world, 30)
    assert other.alive
    assert [sent.due >= viewer.closed + DELAY for sent in told(world)] == [True]


def test_an_end_whose_first_answer_was_lost_is_kept(world: World) -> None:
    """The driver repeats a report, and hears that nothing changed; then the store loses all."""
    process = world.start_process()
    world.start_worker()
    viewer = world.join("jam", process)
    run(world, 6)
    world.weather.repeated = 1.0
    world.leave(viewer)
    run(world, 0.5)
    world.weather.repeated = 0.0
    world.empty()
    world.server.started()
    run(world, 40)
    assert len(told(world)) == 1


def test_an_end_after_a_long_grace_period_is_told_without_the_store(world: World) -> None:
    """A process tells by itself what it alone held, however long nobody has come or gone."""
    world.delay = 20.0
    process = world.start_process()
    viewer = world.join("jam", process)
    run(world, 6)
    world.server.away = True
    world.leave(viewer)
    run(world, 24)
    assert [sent.by for sent in told(world)] == [process]
    world.server.away = False
    run(world, 30)
    assert len(told(world)) == 1


def test_nobody_is_alone_in_a_store_that_was_just_emptied(world: World) -> None:
    """A process that was the first to be back tells nothing of what others hold, too."""
    first, second = world.start_process(), world.start_process()
    world.start_worker()
    leaver, stayer = world.join("jam", first), world.join("jam", second)
    run(world, 6)
    second.line.cut = True
    world.empty()
    world.server.started()
    run(world, 2.5)
    world.server.away = True
    world.leave(leaver)
    run(world, LEASE + DELAY + 2)
    assert told(world) == []
    second.line.cut = False
    world.server.away = False
    run(world, 5)
    world.leave(stayer)
    run(world, 30)
    assert len(told(world)) == 1


def test_nobody_is_alone_in_a_store_that_was_emptied_since_the_last_beat(world: World) -> None:
    """Nor is a process whose own report finds that, before a beat does."""
    first, second = world.start_process(), world.start_process()
    leaver, stayer = world.join("jam", first), world.join("jam", second)
    run(world, 5)  # between two beats
    world.empty()
    world.server.started()
    seen = world.join("gig", first)
    run(world, 0.2)
    assert [event.clients for event in world.server.store.status(["jam"])] == [1]
    world.server.away = True
    world.leave(leaver)
    run(world, LEASE + DELAY + 2)
    assert told(world) == []
    world.server.away = False
    world.start_worker()
    run(world, 5)
    world.leave(stayer)
    world.leave(seen)
    run(world, 30)
    assert len(told(world)) == 1


def test_who_came_back_unheard_belongs_to_the_session_that_was_ending(world: World) -> None:
    """An emptied store hears from one process of an end, and of who came back in time: no end."""
    process = world.start_process()
    world.start_worker()
    viewer = world.join("jam", process)
    run(world, 6)
    session = process.presence._known["jam"].session
    world.leave(viewer)
    run(world, 1)
    world.server.away = True
    world.empty()
    run(world, 0.5)
    again = world.join("jam", process)
    run(world, DELAY)
    world.server.away = False
    run(world, 20)
    assert told(world) == []
    assert process.presence._known["jam"].session == session
    world.leave(again)
    run(world, 20)
    assert [sent.session for sent in told(world)] == [session]


def test_an_outcome_is_kept_for_longer_than_an_outage_of_half_a_minute(world: World) -> None:
    """A notice that was sent while the store went away is not sent again by another worker."""
    process = world.start_process()
    worker = world.start_worker()
    assert isinstance(worker, Worker)
    assert lease_of(worker.deliverer.channels["email"]) > RECORD * 1000
    viewer = world.join("jam", process)
    run(world, 6)
    world.leave(viewer)
    run(world, DELAY - 1)
    while not told(world):
        run(world, 0.001)
    world.server.away = True
    run(world, 30)
    world.server.away = False
    world.start_worker()
    run(world, 60)
    assert len(told(world)) == 1


def test_an_attempt_in_progress_outlives_a_second_outage() -> None:
    """Its outcome is reported, though the stand-in has another store by then."""
    stores: list[MemoryStore] = []

    def ringing(store: MemoryStore, timer: Timer[Alarm]) -> Alarms:
        stores.append(store)
        return LocalAlarms(timer, lambda: None)

    stand_in = StandIn(ringing, lambda _: None)
    stand_in.begin({"jam": Held(1, "s1", 0, 1)}, 0)
    stand_in.report({"jam": Held(0, "s1", 0)})
    store = stores[0]
    while not store.claim(1):
        pass
    (delivery,) = store.take("me", 60_000, 1)
    assert store.sending(delivery.id, "me", 60_000)
    stand_in.handed_over(stand_in.hand_back())
    assert not stand_in.stands
    stand_in.begin({"gig": Held(1, "s2", 0, 1)}, 0)
    store.settle("s1", "me", "email", Outcome.SENT, "", 0)
    assert [(end.session, end.state) for end in stand_in.finished()] == [("s1", "sent")]
    assert [end.session for end in stand_in.hand_back() if end.state == "sent"] == ["s1"]
    assert stand_in.counts()["notifications|email|sent"] == 1
    stand_in.settled(stand_in.finished())
    assert stand_in.finished() == []


def test_what_a_stand_in_decided_and_never_tried_to_tell_is_judged_afresh() -> None:
    """It is put back as an end that is due; what was told comes first."""
    store = MemoryStore()
    for session in ("s1", "s2"):
        store.schedule("jam", session, 0)
        while not store.claim(1):
            pass
    assert [delivery.id for delivery in store.take("me", 60_000, 1)] == ["s1"]
    store.settle("s1", "me", "email", Outcome.SENT, "", 0)
    store.schedule("jam", "s3", 60_000)
    kept = [(end.session, end.state) for end in store.kept()]
    assert kept == [("s1", "sent"), ("s2", "ending"), ("s3", "ending")]


def test_what_was_handed_over_is_owed_until_it_is_told() -> None:
    """A store may lose that, too; what was told is owed no more."""
    owed = Owed()
    owed.keep(Kept("jam", "s1", 1000, 500, 1))
    owed.keep(Kept("gig", "s2", 1000, 500, 1, state="sent"))
    assert [end.session for end in owed.kept()] == ["s1"]


def test_an_owed_end_is_let_go_by_who_came_in_time() -> None:
    """Who came before it was due, and after its session began; nobody else."""
    owed = Owed()
    owed.note(Reported("jam", Change.ENDING, "s1", 0, 5_000, 0, 1), 4_000)
    (end,) = owed._ends.values()
    assert owed.resume("gig", end.due - 0.5) is None
    assert owed.resume("jam", end.due + 0.5) is None
    assert owed.resume("jam", end.due - 0.5) is end
    assert owed.kept() == []


@pytest.mark.parametrize("first", ["teller", "process"])
def test_a_session_that_went_on_in_an_emptied_store_is_told_of_too(
    world: World, first: str
) -> None:
    """Who told its first end could not say so before the store was emptied once more."""
    process, worker = world.start_process(), world.start_worker()
    viewer = world.join("jam", process)
    run(world, 6)
    session = process.presence._known["jam"].session
    world.leave(viewer)
    while not told(world):
        run(world, 0.001)
    worker.line.cut = True
    world.empty()
    world.server.started()
    run(world, 3)
    again = world.join("jam", process)
    run(world, 2)
    assert process.presence._known["jam"].session == session
    world.leave(again)
    run(world, 0.5)
    worker.line.cut, process.line.cut = first != "teller", first != "process"
    world.empty()
    world.server.started()
    run(world, 3)
    worker.line.cut = process.line.cut = False
    run(world, 60)
    assert [sent.due >= again.closed + DELAY for sent in told(world)] == [False, True]
    assert len({sent.session for sent in told(world)}) == 2


def test_a_report_names_the_last_one_that_said_what_is_not_answered() -> None:
    """So that a store which heard that one, and none since, knows that it is no news."""
    known = Known(most=1)
    said = [known.held(0, 5), known.held(0, 6), known.held(0, 8)]
    assert [(held.most, held.unsure, held.ago) for held in said] == [
        (1, 1, 0),
        (0, 1, 1),
        (0, 1, 3),
    ]
    known.learn(Reported("jam", Change.NONE, "s1", 0, None), 0, 0)
    assert (known.held(0, 9).unsure, known.held(0, 9).ago) == (0, 0)


def plain_worker(world: World) -> Worker:
    """Start an ordinary `rq worker`, which does not look around by itself."""
    worker = Worker(world, "worker", tuned=False)
    world.workers.append(worker)
    worker.start()
    return worker


def test_a_process_that_dies_right_after_its_first_viewer_came_is_noticed(world: World) -> None:
    """An ordinary worker is all that is left: an alarm was set before the process's next beat."""
    process = world.start_process()
    plain_worker(world)
    run(world, 0.5)
    world.join("jam", process)
    run(world, 0.1)
    world.healed = True  # nobody comes back
    world.kill(process)
    run(world, 40)
    assert len(told(world)) == 1


def test_an_alarm_that_a_silence_overtakes_is_set_again(world: World) -> None:
    """The last process has gone, and the store takes it for an outage as a worker is loading."""
    process = world.start_process()
    worker = plain_worker(world)
    worker._load = lambda: world.scheduler.sleep(2 * LEASE)  # type: ignore[method-assign]
    world.leave(world.join("jam", process))
    run(world, 0.1)
    world.stop(process)
    run(world, 60)
    assert len(told(world)) == 1


def test_who_stood_still_learns_late_that_the_store_was_emptied(world: World) -> None:
    """An end that a viewer has cancelled meanwhile is not put back, whatever is heard first."""
    process, other = world.start_process(), world.start_process()
    world.start_worker()
    viewer = world.join("jam", process)
    run(world, 6)
    world.leave(viewer)
    run(world, 1)
    world.empty()
    world.server.started()
    process.paused_until = world.scheduler.now + 3 * LEASE
    again = world.join("jam", process)
    run(world, DELAY + 2)
    last = world.join("jam", other)
    run(world, 1)
    world.leave(again)
    run(world, 3 * LEASE)
    assert told(world) == []
    world.leave(last)
    run(world, 30)
    assert len(told(world)) == 1


def test_a_leave_that_an_outage_held_up_is_told_once(world: World) -> None:
    """Whether the store heard of it is in doubt: the process tells nothing by itself."""
    process = world.start_process()
    world.start_worker()
    viewer = world.join("jam", process)
    run(world, 6)
    world.server.hangs = True
    world.leave(viewer)
    run(world, 1)
    again = world.join("jam", process)
    run(world, 4)
    world.leave(again)
    run(world, 30)
    assert told(world) == []
    world.server.go_on()
    run(world, 60)
    assert len(told(world)) == 1


def stood_in(world: World) -> tuple[Process, Viewer]:
    """Return a process that told an end while the store is away, and a viewer who came since."""
    process = world.start_process()
    world.start_worker()
    viewer = world.join("jam", process)
    run(world, 6)
    world.server.away = True
    world.leave(viewer)
    run(world, LEASE + DELAY + 2)
    assert len(told(world)) == 1
    again = world.join("jam", process)
    run(world, 1)
    return process, again


def test_who_leaves_as_the_store_comes_back_is_told_of(world: World) -> None:
    """A session that began while the store was away ends before anybody told the store of it."""
    process, again = stood_in(world)
    world.server.away = False
    world.weather.slow = 1.0
    while not world.truth.contacts[process].waits:
        run(world, 0.01)
    world.leave(again)  # as the process asks the store whether it is back
    world.weather.slow = 0.0
    run(world, 30)
    assert len(told(world)) == 2


def test_who_leaves_as_the_stand_in_hands_over_is_told_of(world: World) -> None:
    """It took them for there, so handed no end back; the store knows nothing of their session."""
    process, again = stood_in(world)
    hand_back = process.stand_in.hand_back

    def meanwhile() -> list[Kept]:
        process.stand_in.hand_back = hand_back  # type: ignore[method-assign]
        kept = hand_back()
        world.leave(again)
        return kept

    process.stand_in.hand_back = meanwhile  # type: ignore[method-assign]
    world.server.away = False
    run(world, 30)
    assert len(told(world)) == 2


def test_a_stand_in_hears_who_came_before_it_decides(world: World) -> None:
    """What reports may wait for a store that hangs; a viewer who came is no less there."""
    process = world.start_process()
    viewer = world.join("jam", process)
    run(world, 6)
    world.server.hangs = True
    run(world, LEASE + DELAY)
    world.leave(viewer)
    run(world, DELAY - 1)
    store = process.stand_in._store
    assert store is not None
    store._due["jam"] = store.look(None).now
    world.join("jam", process)
    assert store.claim(1) == []
    run(world, 10)
    assert told(world) == []


def test_nobody_is_alone_while_it_is_in_doubt_who_was_heard(world: World) -> None:
    """A report that nobody is left is not answered; who comes then may not be the only one."""
    process, other = world.start_process(), world.start_process()
    viewer = world.join("jam", process)
    run(world, 5)  # between two beats
    world.server.hangs = True
    world.leave(viewer)
    run(world, 0.1)
    first = world.join("jam", process)
    world.server.go_on()
    second = world.join("jam", other)
    run(world, 0.2)
    world.server.away = True
    run(world, 3)
    world.leave(first)
    world.leave(second)
    run(world, LEASE + DELAY + 2)
    assert [sent.by for sent in told(world)] == [other]
    world.server.away = False
    run(world, 60)


def test_a_store_that_is_emptied_within_a_beat_is_not_believed_that_all_are_told(
    world: World,
) -> None:
    """It owes nobody anything, for it knows nothing; what a process owes is put back into it."""
    process = world.start_process()
    viewer = world.join("jam", process)
    run(world, 6)
    world.leave(viewer)
    owed = process.endings.owed
    to_ask = owed.to_ask

    def emptied_meanwhile() -> list[tuple[str, str]]:
        if asked := to_ask():
            owed.to_ask = to_ask  # type: ignore[method-assign]
            world.empty()
            world.server.started()
        return asked

    owed.to_ask = emptied_meanwhile  # type: ignore[method-assign]
    run(world, 12)
    assert owed.to_ask == to_ask
    world.start_worker()
    run(world, 40)
    assert len(told(world)) == 1


def test_a_stop_is_owed_by_whoever_let_its_viewers_go(world: World) -> None:
    """Who ordered it is gone, and the store comes back empty before anybody was told."""
    process = world.start_process()
    world.join("jam", process)
    run(world, 6)
    # By a command, say: its process is over with it.
    assert world.server.store.finish("jam", Change.STOPPED) is not None
    run(world, 3)
    world.empty()
    world.server.started()
    world.start_worker()
    run(world, 40)
    assert len(told(world)) == 1
