"""Which figures the benchmark measures, on which sides, in which order."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import http, peer_queues
from benchmarks.drain import drain
from benchmarks.figures import Figure, Measurement, interleave
from benchmarks.flower import cores_of_flower, flower
from benchmarks.transports import LEASED, STOCK, Transports
from tests.support.processes import RedisServer

OURS, CELERY, PLAIN = "Glassqueue", "stock Celery", "plain FastAPI and Celery"
BOTH = ((CELERY, STOCK), (OURS, LEASED))
Measured = Iterator[Figure]


class Plan:
    """All measurements, on one Redis; `rounds` says how often each is repeated."""

    def __init__(self, server: RedisServer, folder: Path, rounds: int, quick: bool) -> None:
        """Prepare the measurements; a quick plan leaves out the slow ones."""
        self.server, self.folder, self.rounds, self.quick = server, folder, rounds, quick
        self.transports = Transports(server, folder)
        self.size = 0.5 if quick else 1.0

    def parts(self) -> dict[str, Callable[[], Measured]]:
        """Return the parts of the benchmark by name, in their order."""
        quick = {"http": self.http, "publish": self.publish, "drain": self.drain, "events": self.events}
        return quick if self.quick else quick | {"pools": self.pools, "flower": self.flower, "other": self.other}

    def _drain(self, scheme: str, pool: str, *slots: int, jobs: int, **options: bool) -> Measurement:
        return partial(drain, self.server, self.folder, scheme, pool, slots, int(jobs * self.size), **options)

    def _solo(self) -> dict[str, Measurement]:
        """Return the drain of two solo consumers; ours get more jobs, so that both sides run about as long."""
        sizes = {CELERY: (STOCK, 3000), OURS: (LEASED, 15_000)}
        return {side: self._drain(scheme, "solo", 1, 1, jobs=jobs) for side, (scheme, jobs) in sizes.items()}

    def _peers(self) -> dict[str, Measurement]:
        """Return the drain of other task queues, each with two worker processes."""
        return {
            peer.name: partial(peer_queues.drain, peer, self.server, int(peer.jobs * self.size))
            for peer in peer_queues.install()
        }

    def http(self) -> Measured:
        """Measure the way through NGINX and producer."""
        seconds = 1 if self.quick else 3
        found = http.accept_and_look_up(self._new("http"), self.rounds, seconds)
        for connections, per in ((1, "p50"), (16, ""), (16, "p99"), (64, ""), (64, "p99")):
            key = f"accept, {connections} connection{'s' if connections > 1 else ''}"
            yield _of_both(
                f"{key}, {per}" if per else key, found[f"accept, {connections} connections, {_unit(per)}"], per
            )
        yield _of_both("look up", found["look up, 16 connections, requests/s"], "")
        if self.quick:
            return
        (result,) = http.submit_to_result(self._new("result")).values()
        yield Figure("result with ?wait", "ms", {OURS: result["ours"]})
        (rates,) = http.two_producers(self._new("two"), self.rounds, seconds).values()
        yield Figure("two producers", "requests/s", {f"{OURS}, {name}": rates[name] for name in ("one", "two")})
        (memory,) = http.waiting_clients(self._new("waiting")).values()
        yield Figure("waiting clients", "MB for 1,000", {OURS: memory["ours"]})

    def publish(self) -> Measured:
        """Measure publishing, and the journey of one job."""
        yield self._compare("publish one by one", "jobs/s", self.transports.publish)
        yield self._compare("publish in batches", "jobs/s", self.transports.publish_batched)
        yield self._compare("round trip", "ms", self.transports.round_trip)
        yield self._compare("memory", "bytes per queued job", self.transports.memory, rounds=1)

    def drain(self) -> Measured:
        """Measure two processes that take one job at a time, of each task queue."""
        yield interleave("drain", "jobs/s of two processes", self._solo() | self._peers(), self.rounds)

    def events(self) -> Measured:
        """Measure what the events for Flower cost, on two solo consumers."""
        stock, leased = (partial(self._drain, each, "solo", 1, 1) for each in (STOCK, LEASED))
        sides = {
            f"{OURS}, no events": leased(jobs=15_000),
            f"{OURS}, events, no listener": leased(jobs=15_000, events=True),
            f"{OURS}, Flower listens": self._with_flower(leased(jobs=15_000, events=True)),
            f"{CELERY}, no events": stock(jobs=3000),
            f"{CELERY}, events, no listener": stock(jobs=3000, events=True),
        }
        yield interleave("events", "jobs/s of two processes", sides, self.rounds)

    def pools(self) -> Measured:
        """Measure the pools, each as it ships with Flower listening, and short naps on more and more slots."""
        stock = {f"{CELERY}, {pool}": self._drain(STOCK, pool, 2, jobs=2000) for pool in ("prefork", "threads")}
        sizes = {"prefork": 5000, "threads": 5000, "forked": 15_000}
        ours = {f"{OURS}, {pool}": self._drain(LEASED, pool, 2, jobs=jobs) for pool, jobs in sizes.items()}
        yield interleave("pools", "jobs/s of two slots, no events", stock | ours, self.rounds)
        shipped = self._drain(STOCK, "prefork", 2, jobs=2000, events=True)
        sides = {f"{CELERY}, prefork": self._with_flower(shipped, STOCK)}
        for pool in ("prefork", "forked"):
            shipped = self._drain(LEASED, pool, 2, jobs=sizes[pool], events=True)
            sides[f"{OURS}, {pool}"] = self._with_flower(shipped)
        sides |= self._peers()
        yield interleave("as shipped", "jobs/s of two slots, Flower listens to Celery", sides, self.rounds)
        slots = {
            f"{OURS}, {count} slot{'s'[: count - 1]}": partial(self.transports.naps, "forked", count)
            for count in (1, 2, 4, 8)
        }
        yield interleave("slots", "jobs of 10 ms per second, forked", slots, 1)

    def flower(self) -> Measured:
        """Measure Flower's own work at 2,000 jobs per second."""
        cores = partial(cores_of_flower, self.server, self.folder)
        yield self._compare("Flower", "cores at 2,000 jobs/s", cores, rounds=1)

    def other(self) -> Measured:
        """Measure fairness, and a long queue."""
        yield self._compare("fairness", "s for six jobs of 0.5 s", self.transports.fairness, rounds=1)
        depths = {
            f"{OURS}, {depth:,} queued": partial(self.transports.deep_queue, depth) for depth in (10_000, 1_000_000)
        }
        yield interleave("queue depth", "jobs/s", depths, 1)

    def guarded(self) -> Measured:
        """Measure what must not become slower than it was, beside stock Celery."""
        yield self._compare("publish one by one", "jobs/s", self.transports.publish, rounds=2 * self.rounds)
        yield interleave("drain", "jobs/s of two processes", self._solo(), self.rounds)
        found = http.accept_and_look_up(self._new("guarded"), self.rounds, 1)
        yield _of_both("accept, 16 connections", found["accept, 16 connections, requests/s"], "")

    def _compare(self, name: str, unit: str, measure: Callable[[str], float], rounds: int = 0) -> Figure:
        """Measure the stock transport and ours."""
        return interleave(name, unit, {side: partial(measure, scheme) for side, scheme in BOTH}, rounds or self.rounds)

    def _with_flower(self, measure: Measurement, scheme: str = LEASED) -> Measurement:
        def measured() -> float:
            with flower(self.server, self.folder, scheme):
                return measure()

        return measured

    def _new(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder


def _unit(per: str) -> str:
    return f"{per} ms" if per else "requests/s"


def _of_both(name: str, found: dict[str, list[float]], per: str) -> Figure:
    """Return what http.py has measured of the plain way and of ours."""
    return Figure(name, "ms" if per else "requests/s", {PLAIN: found["plain"], OURS: found["ours"]})
