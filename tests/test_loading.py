"""Event loaders that fail or hang, and the viewers who come meanwhile."""

from __future__ import annotations

import threading

from .conftest import StartSite
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
