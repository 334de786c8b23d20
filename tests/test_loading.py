"""Event loaders that fail or hang, and the viewers who come meanwhile."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import StartSite
from .servers import eventually
from .viewers import RawViewer, Worker, both_workers, wait_for


@both_workers
def test_a_loader_that_raises_keeps_nobody_out(start_site: StartSite, worker: Worker) -> None:
    """Where the event loader raises, the viewer is let in and counted, and so is the failure."""
    site = start_site(*worker, env={"FLASK_APP": "tests.apps.moody"})
    viewers = [RawViewer(site.port, "raise-1") for _ in range(2)]
    wait_for(site, 2)
    assert site.metric('streamend_errors_total{stage="event_loader"}') == 2
    assert "host@example.org" not in site.process.output()
    for viewer in viewers:
        viewer.leave()


@both_workers
def test_a_loader_that_hangs_keeps_nobody_out(start_site: StartSite, worker: Worker) -> None:
    """Where the event loader hangs, the viewer is let in after a while, and others at once."""
    site = start_site(*worker, env={"FLASK_APP": "tests.apps.moody"})
    hanging = RawViewer(site.port, "hang-1")
    other = RawViewer(site.port, "jam")
    wait_for(site, 2)
    assert site.metric('streamend_errors_total{stage="event_loader"}') == 1
    site.process.wait_for("The event loader failed for event hang-1: it took over 2 s")
    hanging.leave()
    other.leave()
    wait_for(site, 0)


def test_a_loader_that_hangs_for_many_is_not_asked_for_ever(start_site: StartSite) -> None:
    """However many viewers come while the loader hangs, all get in and few calls of it pile up."""
    site = start_site(env={"FLASK_APP": "tests.apps.moody"})
    viewers: list[RawViewer] = []

    def come(number: int) -> None:
        viewers.append(RawViewer(site.port, f"hang-{number}"))

    coming = [threading.Thread(target=come, args=(number,)) for number in range(30)]
    for thread in coming:
        thread.start()
    for thread in coming:
        thread.join()
    wait_for(site, 30)
    assert site.metric('streamend_errors_total{stage="event_loader"}') == 30
    site.process.wait_for("16 calls of it hang already")
    for viewer in viewers:
        viewer.close()


@pytest.mark.parametrize(
    "worker",
    [("-k", "gevent", "--worker-connections", "10"), ("-k", "gthread", "--threads", "10")],
    ids=["gevent", "gthread"],
)
def test_a_viewer_loader_that_hangs_leaves_room(start_site: StartSite, worker: Worker) -> None:
    """However many come while it hangs, half of the room that is left serves everybody else.

    Beyond that half they are refused with a code; who needs no loader is let in; who is there
    stays; and when the loader goes on, all is as before.
    """
    site = start_site(*worker, env={"FLASK_APP": "tests.apps.moody"})
    there = [RawViewer(site.port, "jam") for _ in range(4)]
    wait_for(site, 4)
    with ThreadPoolExecutor(12) as crowd:
        asked = [crowd.submit(site.get, f"/ws/stuck-{number}") for number in range(12)]
        eventually(lambda: sum(one.done() for one in asked) == 9, "nine of them are refused")
        answers = [json.loads(one.result()[1]) for one in asked if one.done()]
        assert {answer["error"] for answer in answers} == {"viewer-loader-hangs"}
        assert site.get("/health/live")[0] == 200
        status, body = site.get("/ws/jam")
        assert (status, json.loads(body)["error"]) == (503, "viewer-loader-hangs")
        token = site.get("/token")[1]
        there.append(RawViewer(site.port, f"jam?token={token}"))
        wait_for(site, 5)
        assert site.metric('streamend_refusals_total{reason="viewer"}') == 10
        assert site.metric('streamend_errors_total{stage="websocket"}') == 10
        assert site.get("/release")[1] == "released"
        assert sorted(one.result()[0] for one in asked) == [426] * 3 + [503] * 9
    there.append(RawViewer(site.port, "jam"))
    wait_for(site, 6)
    assert "viewer-loader-hangs: a viewer was refused" in site.process.output()
    for viewer in there:
        viewer.leave()
