"""What happens to a real system while a real Prometheus watches: fifty ends, then every failure.

Each part ends in a moment: an instant at which all is recorded and stands still, so that every
panel can be asked for it afterwards, exactly.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from simple_websocket import Client

from ..ground import Ground
from ..servers import Mailbox, Process, RedisServer, accepts, eventually
from .prometheus import SCRAPE, Prometheus

PATIENCE = 60.0
#: Seconds of grace; those of two events that end, or don't, when it is told here.
DELAY, LONG = 1, 900
ENDS = 50
LATE = 5
#: The most viewers of one event; how many more come.
FULL, TURNED_AWAY = 3, 12
SETTINGS: dict[str, Any] = {
    "STREAMEND_DELAY": DELAY,
    "STREAMEND_LEASE": 3,
    "STREAMEND_RETRY_BACKOFF": 0.5,
    "STREAMEND_MAX_CLIENTS_PER_EVENT": FULL,
}
BACK = f"back~own-{LONG}"
SHOW = f"show~own-{LONG}"

UP = "streamend_store_up"
CLIENTS = f'streamend_event_clients{{event_id="{SHOW}"}}'
SENT = 'job:streamend_notifications_total:max{status="sent"}'


class Refusing(Mailbox):
    """A mailbox that refuses the address ``refused@…`` for good."""

    def _start(self) -> Process:
        handler = ["-c", "tests.grafana.mail.Refusing", str(self._maildir)]
        command = ["-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{self.port}", *handler]
        process = Process([sys.executable, *command], self._log)
        eventually(lambda: accepts(self.port), "the mail server listens")
        return process


class Story:
    """The system, and when what was true of it.

    :ivar moments: by name: a time at which records and scrapes show it.
    """

    def __init__(self, folder: Path, redis_program: str) -> None:
        self.moments: dict[str, float] = {}
        self.workers: list[Process] = []
        self._held: dict[str, list[Client]] = {}
        self._started = ExitStack()
        with ExitStack() as started:
            self.redis = RedisServer(folder, redis_program, append_only=True)
            started.callback(self.redis.stop)
            self.redis.start()
            self.ground = Ground(folder, self.redis.url)
            started.callback(self.ground.stop)
            self.ground.mailbox.process.stop()
            self.ground.mailbox = Refusing(folder)
            self.sites = [self.ground.site(app="panels", **SETTINGS) for _ in range(2)]
            self.start_workers()
            self.prometheus = Prometheus(folder, [site.port for site in self.sites])
            started.callback(self.prometheus.process.stop)
            self.prometheus.ready()
            # All are there: they are stopped at the end, and not now.
            self._started = started.pop_all()
        self.began = self.ended = time.time()

    @property
    def instances(self) -> list[str]:
        """Return the sites as Prometheus names them."""
        return [f"127.0.0.1:{site.port}" for site in self.sites]

    def start_workers(self) -> None:
        """Start one worker of ours, and RQ's own with its scheduler."""
        for kind in ("tuned", "scheduler"):
            self.workers.append(self.ground.worker(self.sites[0], kind))

    def stop(self) -> None:
        """End everything."""
        self._started.close()

    def watch(self, event_id: str, *sites: int) -> None:
        """Have an event watched, by one viewer at each of these sites."""
        self._held[event_id] = [self.sites[site].watch(event_id) for site in sites]

    def leave(self, event_id: str) -> None:
        """Have all viewers of an event leave."""
        for viewer in self._held.pop(event_id):
            viewer.close()

    def end(self, event_id: str, site: int = 0) -> None:
        """Have an event watched and left."""
        self.watch(event_id, site)
        self.ground.wait(event_id, "live", 1)
        self.leave(event_id)

    def fires(self, *names: str) -> None:
        """Wait until alerts fire."""
        wanted = set(names)
        eventually(
            lambda: wanted <= self.prometheus.firing(),
            f"{wanted} fire",
            PATIENCE,
        )

    def silent(self, *names: str) -> None:
        """Wait until alerts don't fire any more."""
        eventually(
            lambda: not set(names) & self.prometheus.firing(), f"{names} are silent", PATIENCE
        )

    def shows(self, expr: str, value: float) -> None:
        """Wait until all series of an expression have a value."""

        def seen() -> bool:
            found = self.prometheus.instant(expr)
            return bool(found) and set(found.values()) == {value}

        eventually(seen, f"{expr} is {value}", PATIENCE)

    def moment(self, name: str) -> None:
        """Note an instant at which all that is so now is scraped of both sites, and recorded."""
        now = time.time()

        def recorded() -> float:
            (at,) = self.prometheus.instant(f"timestamp({SENT})").values() or (0.0,)
            # A second before: a record is made of what was there in time.
            scraped = self.prometheus.instant(f"timestamp({UP})", at - 1).values()
            there = len(scraped) == len(self.sites) and min(scraped) > now
            return at if there and at > now + SCRAPE else 0.0

        self.moments[name] = eventually(recorded, f"{name} is recorded", PATIENCE)

    def bare_moment(self, name: str) -> None:
        """Note an instant, where nothing can be recorded."""
        after = time.time() + SCRAPE + 1
        clock = self.prometheus.clock
        self.moments[name] = eventually(
            lambda: at if (at := clock()) > after else 0.0, f"{name} is scraped", PATIENCE
        )

    def tell(self) -> None:
        """Let everything happen."""
        self.all_is_well()
        self.small_troubles()
        self.the_mail_server_is_away()
        self.an_operator_holds()
        self.no_worker()
        self.redis_is_away()
        self.all_is_over()

    def all_is_well(self) -> None:
        """Fifty events end, on either site; one comes back in time, two stay."""
        self.shows(SENT, 0)
        self.moment("idle")
        self.watch("here", 0, 0)
        self.watch("there", 1)
        self.watch(SHOW, 0, 0, 1)
        self.watch(BACK, 1)
        self.ground.wait(BACK, "live", 1)
        names = [f"host-{number}" for number in range(ENDS)]
        for number, name in enumerate(names):
            self.watch(name, number % 2)
        for name in names:
            self.ground.wait(name, "live", 1)
        for name in names:
            self.leave(name)
        self.leave(BACK)
        self.ground.wait(BACK, "ending", 0)
        self.watch(BACK, 0)
        for name in names:
            eventually(partial(self.ground.mails, name), f"{name} is told", PATIENCE)
        self.ground.wait(BACK, "live", 1)
        self.shows(SENT, ENDS)
        self.moment("well")

    def small_troubles(self) -> None:
        """A host without address, one who is refused, a crowd at the limit; the show ends soon."""
        # "Grace periods seen" looks every 15 seconds.
        self.shows(f"max_over_time((max({CLIENTS}) > bool 0)[1h:15s])", 1)
        self.leave(SHOW)
        self.ground.wait(SHOW, "ending", 0)
        self.end("unreachable-1")
        self.end("refused-1", 1)
        self.watch("full", 0, 0, 0)
        self.ground.wait("full", "live", FULL)
        for _ in range(TURNED_AWAY):
            assert self.sites[0].get("/ws/full")[0] == 429
        self.leave("full")
        eventually(lambda: self.ground.mails("full"), "full is told", PATIENCE)
        self.fires("DeadLetters", "HostsSkipped", "ViewersRefused")
        self.moment("troubled")
        for record in self.ground.store.records(1000):
            if record.state == "dead":
                self.ground.store.dead("dismiss", record.id)
        self.silent("DeadLetters")

    def the_mail_server_is_away(self) -> None:
        """Hosts wait until it is back, and are told late; then somebody ends the show."""
        self.ground.mailbox.process.stop()
        for number in range(LATE):
            self.end(f"late-{number}", number % 2)
        self.fires("ChannelDown", "HostsWaiting", "AttemptsFailing", "Errors")
        self.moment("no mail")
        self.ground.mailbox.restart()
        assert self.ground.command(self.sites[0].env, "end", SHOW)[0] == 0
        self.ground.all_told()
        self.fires("LatencyBurn", "LatencyBurnSlow")
        self.silent("ChannelDown", "HostsWaiting")
        self.moment("told late")

    def an_operator_holds(self) -> None:
        """All notices are held; and a figure in the store is wrong."""
        self.ground.store.hold(600_000)
        self.ground.store.add({"sessions_begun": 1, "deliveries_made": 2})
        self.fires("HeldLong", "Unaccounted")
        self.moment("held")
        self.ground.store.hold(0)
        self.ground.store.add({"sessions_begun": -1, "deliveries_made": -2})
        self.silent("HeldLong", "Unaccounted")

    def no_worker(self) -> None:
        """All workers stop, and an event ends."""
        for worker in self.workers:
            self.ground.stop_process(worker)
        self.workers.clear()
        self.end("waiting")
        self.fires("HostsNotTold", "NoWorker", "SchedulerSilent")
        self.moment("no worker")
        self.start_workers()
        self.ground.told("waiting")
        self.silent("HostsNotTold", "NoWorker", "SchedulerSilent", "HostsWaiting")

    def redis_is_away(self) -> None:
        """Redis dies, and comes back with what it had."""
        self.redis.stop()
        self.fires("StoreDown", "StoreUnreachable")
        self.bare_moment("no store")
        self.redis.start()
        self.silent("StoreDown", "StoreUnreachable", "HostsNotTold", "NoWorker")
        self.moment("back")
        # Their windows are over by now.
        self.silent("HostsSkipped", "ViewersRefused", "AttemptsFailing", "Errors")

    def all_is_over(self) -> None:
        """Both sites are gone, and one comes back."""
        for site in self.sites:
            site.process.stop()
        self.fires("NoMetrics")
        self.bare_moment("gone")
        self.ground.restart(self.sites[0])
        self.silent("NoMetrics")
        self.ended = time.time()
