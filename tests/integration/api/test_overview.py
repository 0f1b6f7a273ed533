"""The overview: one sampler for all pages, snapshots of bounded size, and numbers that are right."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from tests.support.changes import CHANGE
from tests.support.http import assert_problem
from tests.support.processes import RedisServer
from tests.support.producer import Producer, StartProducer
from tests.support.wait import wait_until

OVERVIEW = "/producer/api/overview"
EVENTS = f"{OVERVIEW}/events"
SUM = "/producer/api/sum"


def _frames(http: httpx.Client, until: Any, most: int = 100) -> list[tuple[str, dict[str, Any], int]]:
    """Follow the overview until a condition on a frame holds; return the id, content and size of each frame."""
    found = []
    with http.stream("GET", EVENTS) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = ""
        for chunk in answer.iter_text():
            text += chunk
            while "\n\n" in text:
                event, _, text = text.partition("\n\n")
                fields = dict(line.split(": ", 1) for line in event.split("\n") if line[0] != ":")
                if fields:
                    assert fields["event"] == "overview"
                    found.append((fields["id"], json.loads(fields["data"]), len(event) + 2))
            if found and (until(found[-1][1]) or len(found) >= most):
                return found
    return found


def test_the_overview_shows_queues_rates_and_changes(producer: Producer, redis: Any) -> None:
    """A job that is submitted while a page follows shows soon, in the numbers and as a change."""
    with producer.client() as http, producer.client() as other:
        sent: list[str] = []
        told: list[dict[str, Any]] = []

        def submitted(frame: dict[str, Any]) -> bool:
            """Submit a job at the first frame, and end when both show it; the numbers are read before the changes."""
            if not sent:
                sent.append(other.post(SUM, json={"number": 1}).json()["job_id"])
            if any(change["job_id"] == sent[0] for change in frame["changes"]["jobs"]):
                told.append(frame["changes"])
            return bool(told) and any(queue["queue"] == "cpu" and queue["waiting"] for queue in frame["queues"])

        begun = time.monotonic()
        frames = _frames(http, submitted)
        assert time.monotonic() - begun < 10
        _, frame, _ = frames[-1]
        cpu = next(queue for queue in frame["queues"] if queue["queue"] == "cpu")
        assert (cpu["waiting"], cpu["limit"], cpu["rates"]["accepted"] > 0) == (1, 5, True)
        assert [(changes["total"], changes["shown"]) for changes in told] == [(1, 1)]
        look = wait_until(lambda: _look_with(http, lambda look: look["producers"]), 10)
        assert look["producers"][0]["name"] == frame["producer"]
        assert (frame["pages"], frame["stale_since"], frame["broker"]) == (1, None, "leased")
        ids = [int(number) for number, _, _ in frames]
        assert ids == sorted(set(ids))


def test_one_look_has_the_history_of_the_charts(producer: Producer, redis: Any) -> None:
    """Also if no page follows; it counts what ended, with percentiles."""
    with producer.client() as http:
        for _ in range(3):
            http.post(SUM, json={"number": 1})
        http.get(OVERVIEW)  # from here on it is known what is new
        redis.hset("counts:cpu", mapping={"started 40": 10, "succeeded 20": 9, "failed 20": 1, "evil": "x", "a b": "1"})
        look = wait_until(lambda: _look_with(http, lambda look: look["history"]["completions"][-1:] > [0]), 10)
        history = look["history"]
        assert len({len(column) for column in history.values()}) == 1
        at = history["completions"].index(max(history["completions"]))
        assert history["failures"][at] == pytest.approx(history["completions"][at] / 10, abs=0.1)
        # bucket 40 is 1.024 s to 1.2 s, bucket 20 is 32 to 38 ms
        assert 1.0 < history["wait_p50"][at] < history["wait_p95"][at] < 1.22
        assert 0.032 <= history["run_p50"][at] < history["run_p95"][at] < 0.0382
        assert history["depth"][-1] == 3
        theory = next(each for each in look["theory"] if "cpu" in each["queues"])
        assert (theory["slots"], theory["sentence"]) == (0, "No consumer serves these queues: jobs wait.")


def _look_with(http: httpx.Client, condition: Any) -> Any:
    look = http.get(OVERVIEW).json()
    return look if condition(look) else None


def test_nothing_is_sampled_while_nobody_listens(producer: Producer, redis: Any) -> None:
    """Redis hears only the heartbeat."""
    with producer.client() as http:
        assert http.get(OVERVIEW).status_code == 200
        _frames(http, bool)

    def sampled() -> int:
        """Return how often the counters were read."""
        stats = redis.info("commandstats")
        return int(stats.get("cmdstat_hgetall", {}).get("calls", 0))

    def is_quiet() -> bool:
        before, end = sampled(), time.monotonic() + 1
        wait_until(lambda: time.monotonic() > end)
        return sampled() == before

    assert wait_until(is_quiet, 10)


def test_a_frame_stays_small_with_many_queues_consumers_and_changes(producer: Producer, redis: Any) -> None:
    """Long lists are cut, and say so; names without end are shortened."""
    queues = ["cpu"]
    for number in range(200):
        name = f"consumer.{number}@{'x' * 300}"
        text = {"name": name, "pool": "solo", "slots": 1, "broker": "leased", "queues": queues}
        redis.set(f"consumer:{name}", json.dumps(text), ex=60)
        redis.sadd("consumers", name)
        job = f"{number}-{'i' * 120}"
        redis.hset(
            f"job:{job}",
            mapping={"task": "sum", "status": "STARTED", "queue": "cpu", "started_at": 1, "consumer": name},
        )
        redis.zadd("leases:cpu", {job: 1})
    with producer.client() as http:

        def publish(frame: dict[str, Any]) -> bool:
            """Publish changes, until some were shown."""
            for number in range(50):
                change = CHANGE.model_copy(update={"job_id": f"{number}-{'j' * 120}"})
                redis.publish("jobs", change.model_dump_json())
            return bool(frame["changes"]["total"] > frame["changes"]["shown"] > 0)

        frames = _frames(http, publish)
    _, frame, _ = frames[-1]
    assert max(size for _, _, size in frames) <= 8192
    assert (frame["consumers_total"], 0 < len(frame["consumers"]) < 200) == (200, True)
    assert frame["changes"]["total"] > frame["changes"]["shown"]


def test_frames_are_at_most_ten_per_second(producer: Producer, redis: Any) -> None:
    """However many changes there are."""
    with producer.client() as http:
        begun = time.monotonic()

        def busy(_: Any) -> bool:
            """Change something at each frame, for two seconds."""
            redis.hincrby("counts:cpu", "accepted", 1000)
            return time.monotonic() - begun > 2

        frames = _frames(http, busy)
    assert len(frames) <= 10 * (time.monotonic() - begun)
    assert len(frames) >= 2


def test_an_idle_page_gets_about_one_frame_per_second(producer: Producer, redis: Any) -> None:
    """The one with the next point of its charts."""
    with producer.client() as http:
        frames = [frame for _, frame, _ in _frames(http, lambda _: False, most=8)]
    assert frames[-1]["at"] - frames[-5]["at"] > 2


def test_while_redis_is_away_the_last_numbers_are_marked_as_stale(start: StartProducer, tmp_path: Any) -> None:
    """And the stream goes on when it is back."""
    with RedisServer(tmp_path) as server:
        producer = start(server.port)
        with producer.client() as http:
            seen: list[str] = []

            def watch(frame: dict[str, Any]) -> bool:
                """Freeze Redis at the first frame, let it go on at the first stale one."""
                if not seen:
                    server.client.client_pause(2000, all=True)
                seen.append("stale" if frame["stale_since"] else "live")
                return seen[-1] == "live" and "stale" in seen

            _frames(http, watch)
            assert seen[0] == "live" and "stale" in seen


def test_more_pages_than_may_follow_are_refused(start: StartProducer) -> None:
    """With 429 and a time to try again."""
    producer = start(max_event_listeners=1)
    with producer.client() as http, producer.client() as other, http.stream("GET", EVENTS) as answer:
        pieces = answer.iter_bytes()
        next(pieces)  # kept: a generator that is dropped closes its stream
        refused = other.get(EVENTS)
        assert_problem(refused, 429)
        assert refused.headers["retry-after"]


def test_pages_share_one_sampler(producer: Producer, redis: Any) -> None:
    """Ten pages cost Redis as many commands as one."""

    async def follow(number: int) -> int:
        """Follow with some pages until each has four frames; return how many samples were taken."""
        before = redis.info("commandstats").get("cmdstat_hgetall", {}).get("calls", 0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{producer.port}", timeout=60) as http:

            async def page() -> None:
                """Read four frames."""
                async with http.stream("GET", EVENTS) as answer:
                    seen = 0
                    async for text in answer.aiter_text():
                        seen += text.count("event: overview")
                        if seen >= 4:
                            return

            await asyncio.gather(*(page() for _ in range(number)))
        return int(redis.info("commandstats")["cmdstat_hgetall"]["calls"]) - before

    one, ten = asyncio.run(follow(1)), asyncio.run(follow(10))
    assert ten < 2 * one + 50, (one, ten)
