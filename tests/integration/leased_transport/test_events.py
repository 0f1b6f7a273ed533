"""The events of jobs, which Flower reads: whole, in order, and only while a program listens."""

import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from celery.events import EventReceiver
from redis import Redis

from project.leased_transport import event_selection
from project.leased_transport.event_feed import EventFeed
from project.leased_transport.events import Dispatcher
from tests.support.events import CHANNEL, listeners
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until

WHOLE = ["task-received", "task-started", "task-succeeded"]


class Listener:
    """A program that listens as Flower does, with Celery's own receiver."""

    def __init__(self, app: Celery) -> None:
        self.events: list[dict[str, Any]] = []
        self._app = app
        self._thread = threading.Thread(target=self._listen)

    def _listen(self) -> None:
        with self._app.connection() as connection:
            self._receiver = EventReceiver(connection, {"*": self.events.append}, app=self._app)
            self._receiver.capture(wakeup=False)

    def start(self) -> "Listener":
        """Return when it is subscribed."""
        redis = self._app.broker.redis
        before = listeners(redis)
        self._thread.start()
        wait_until(lambda: listeners(redis) > before)
        return self

    def stop(self) -> None:
        """Unsubscribe."""
        self._receiver.should_stop = True
        self._thread.join()

    def jobs(self) -> dict[str, list[str]]:
        """Return the types of the events so far, by job, in the order of their arrival."""
        found = defaultdict(list)
        for event in list(self.events):
            if event["type"].startswith("task-") and event["type"] != "task-sent":
                found[event["uuid"]].append(event["type"])
        return found

    def shows(self, *job_ids: str) -> bool:
        """Tell whether these jobs have ended."""
        jobs = self.jobs()
        return all(WHOLE[-1] in jobs[job_id] for job_id in job_ids)


@pytest.fixture
def listen(app: Celery) -> Iterator[Callable[[], Listener]]:
    """Start listeners, which stop when the test is over."""
    started: list[Listener] = []

    def start() -> Listener:
        started.append(Listener(app).start())
        return started[-1]

    yield start
    for listener in started:
        listener.stop()


@pytest.mark.parametrize(
    ("pool", "slots"),
    [("solo", 1), *(pytest.param(pool, 2, marks=pytest.mark.heavy) for pool in ("threads", "prefork", "forked"))],
)
def test_a_listener_sees_each_job_from_its_beginning_to_its_end(
    app: Celery, workers: StartWorker, listen: Callable[[], Listener], pool: str, slots: int
) -> None:
    """With the fields that Flower shows, and the clocks by which it sorts."""
    listener = listen()
    workers("one", pool, slots)
    ids = [app.tasks["add"].delay(number, 1).id for number in range(50)]
    wait_until(lambda: listener.shows(*ids), 15)
    assert {job_id: listener.jobs()[job_id] for job_id in ids} == dict.fromkeys(ids, WHOLE)
    first = [event for event in listener.events if event.get("uuid") == ids[0] and event["type"] != "task-sent"]
    assert (first[0]["name"], first[0]["args"], first[-1]["result"]) == ("add", "(0, 1)", "1")
    assert {event["hostname"] for event in first} == {"one@test"}
    assert first[0]["clock"] < first[1]["clock"] < first[2]["clock"]


@pytest.mark.heavy
@pytest.mark.parametrize("pool", ["prefork", "forked"])
def test_a_listener_sees_the_end_of_a_job_that_was_killed(
    app: Celery, workers: StartWorker, listen: Callable[[], Listener], pool: str
) -> None:
    """The process that ran it can send nothing any more."""
    listener = listen()
    workers("one", pool, 1)
    job = app.tasks["nap"].apply_async(("long", 60), time_limit=1).id
    wait_until(lambda: listener.jobs()[job][-1:] == ["task-failed"], 20)
    assert listener.jobs()[job][:3] == [*WHOLE[:2], "task-failed"]  # Celery's prefork sends the last one twice


def test_a_listener_that_starts_late_sees_the_consumer_and_the_next_job(
    app: Celery, workers: StartWorker, listen: Callable[[], Listener]
) -> None:
    """Heartbeats are sent always; an idle consumer publishes the events of its next job at once."""
    workers()
    app.tasks["add"].delay(1, 1).get(timeout=10)
    listener = listen()
    wait_until(lambda: any(event["type"] == "worker-heartbeat" for event in list(listener.events)), 10)
    job = app.tasks["add"].delay(1, 1).id
    wait_until(lambda: listener.shows(job), 5)


def test_after_a_reconnect_events_go_on(
    app: Celery, workers: StartWorker, redis: Redis, listen: Callable[[], Listener]
) -> None:
    """The consumer's connections are cut; it opens others, and a new dispatcher goes on with the old one's jobs."""
    worker = workers()
    wait_until(lambda: any(client["cmd"] == "brpop" for client in redis.client_list()))
    redis.client_kill_filter(_type="normal", skipme=True)
    wait_until(lambda: b"Connection to broker lost" in worker.log.read_bytes(), 10)
    listener = listen()
    job = app.tasks["add"].delay(1, 1).id
    wait_until(lambda: listener.shows(job), 15)
    assert listener.jobs()[job] == WHOLE


@pytest.fixture
def dispatcher(app: Celery) -> Iterator[Dispatcher]:
    """The dispatcher of a consumer without its consumer, to send events faster than jobs run."""
    with (
        app.connection_for_write() as connection,
        Dispatcher(connection, hostname="fast@test", app=app, buffer_group=["task"]) as dispatcher,
    ):
        yield dispatcher


def _send(dispatcher: Dispatcher, *job_ids: str) -> None:
    """Send the events of jobs that run at the same time."""
    for kind in WHOLE:
        for job_id in job_ids:
            dispatcher.send(kind, uuid=job_id)


def test_while_nobody_listens_a_busy_consumer_only_asks(
    dispatcher: Dispatcher, redis: Redis, listen: Callable[[], Listener]
) -> None:
    """Once a second, with the events of a few jobs; a program that begins to listen then gets whole jobs."""
    number = 0
    with redis.monitor() as monitor:
        begun = time.monotonic()
        while time.monotonic() - begun < 2.5:
            _send(dispatcher, f"job-{number}", f"job-{number + 1}")
            number += 2
            threading.Event().wait(0.002)
        redis.echo("end")
        commands = iter(lambda: monitor.next_command()["command"], "ECHO end")
        batches = [command for command in commands if command.startswith(f"PUBLISH {CHANNEL}")]
    assert 2 <= len(batches) <= 4
    assert all(batch.count("task-received") <= event_selection.ASKING_JOBS for batch in batches[1:])
    listener = listen()
    for number in range(200):
        _send(dispatcher, f"late-{number}")
        threading.Event().wait(0.01)
    dispatcher.close()
    wait_until(lambda: "late-199" in listener.jobs() and all(kinds == WHOLE for kinds in listener.jobs().values()), 5)


@pytest.mark.heavy
def test_above_a_rate_all_events_of_only_some_jobs_are_sent(
    dispatcher: Dispatcher, listen: Callable[[], Listener]
) -> None:
    """Ten times as many jobs as Flower can follow, for three seconds."""
    listener, per_second = listen(), 10 * event_selection.JOBS_PER_SECOND
    begun, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - begun) < 3:
        _send(dispatcher, *(f"job-{sent + number}" for number in range(50)))
        sent += 50
        threading.Event().wait(max(0, sent / per_second - elapsed))
    dispatcher.close()
    wait_until(lambda: listener.jobs() and all(kinds == WHOLE for kinds in listener.jobs().values()), 10)
    assert event_selection.JOBS_PER_SECOND < len(listener.jobs()) < sent / 2


def test_an_event_that_orjson_cannot_encode_stops_no_other(
    dispatcher: Dispatcher, listen: Callable[[], Listener]
) -> None:
    """Such as an argument with half a surrogate pair, or a large integer."""
    listener = listen()
    dispatcher.send("task-received", uuid="odd", args="\ud800", size=2**70, other=object())
    dispatcher.send("task-received", uuid="even")
    wait_until(lambda: {"odd", "even"} <= listener.jobs().keys(), 5)
    assert next(event for event in listener.events if event["uuid"] == "odd")["size"] == 2**70


def test_a_signal_handler_can_add_events_while_its_thread_does(redis: Redis) -> None:
    """Celery stops a consumer in a signal handler, which may interrupt the thread in the middle of an event."""
    feed = EventFeed(redis, "topic", "celeryev", lambda events: [event | {"hostname": "one"} for event in events])
    before = signal.signal(signal.SIGVTALRM, lambda *_: feed.add("task-received", {"uuid": "a"}))
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0005, 0.0005)
    try:
        for _ in range(30_000):
            feed.add("task-received", {"uuid": "b"})
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        feed.close()
