"""A producer and consumers that are switched from one kind of broker to another, with jobs in every state."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from celery import Celery
from redis import Redis

from project.celery_config.app import create_celery_app
from project.leased_transport import control, keys, records
from project.settings import Settings
from tests.support.processes import RedisServer, Worker
from tests.support.wait import wait_until


class Side:
    """A producer and a consumer on one broker; all sides share the Redis with the records."""

    def __init__(self, broker_url: str, server: RedisServer, folder: Path) -> None:
        self.settings = Settings(_env_file=None, broker_url=broker_url, redis_url=server.url)
        self.app: Celery = create_celery_app(self.settings)
        self.redis: Redis = server.client
        self._folder = folder
        self._consumers: list[Worker] = []

    def consumer(self, queues: str, name: str = "consumer.1", **more: Any) -> Worker:
        """Start a consumer that serves some queues, and return when it takes jobs."""
        settings: dict[str, Any] = {
            "redis_url": self.settings.redis_url,
            "run_dir": self._folder,
            "consumer_queues": queues,
            "lease": 3,  # seconds after which a killed consumer's job is moved
            **more,
        }
        url = str(self.settings.broker)
        self._consumers.append(Worker(url, self._folder, name, app="project.consumer", **settings))
        return self._consumers[-1].ready()

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all consumers."""
        for consumer in self._consumers:
            consumer.kill()

    def submit(self, task: str, **options: Any) -> str:
        """Submit a job and return its id."""
        return str(self.app.tasks[task].apply_async(**options).id)

    def status(self, job_id: str) -> str:
        """Return the status of a job, which must exist."""
        return (records.read(self.redis, job_id) or {})["status"]


def assert_jobs_survive_a_switch(old: Side, new: Side) -> None:
    """Check that jobs in every state on the old broker succeed on the new one, and that no queue entry is left."""
    consumer = old.consumer("default")
    running = old.submit("wait_and_return", kwargs={"seconds": 2, "message": "ran"})
    wait_until(lambda: old.status(running) == "STARTED")
    waiting = [old.submit("sum", kwargs={"number": 4}, priority=priority) for priority in (None, 0, 9)]
    delayed = old.submit("sum", kwargs={"number": 4}, countdown=1)
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    optional = [
        old.submit("sum", kwargs={"number": 4}, **more) for more in ({"compression": "gzip"}, {"expires": in_an_hour})
    ]
    # RabbitMQ gives such a job to the producer as a dead letter
    expired = [] if new.app.broker.kind == "amqp" else [old.submit("sum", kwargs={"number": 4}, expires=0.1)]
    revoked = old.submit("sum", kwargs={"number": 4})
    assert control.cancel_or_collect(old.redis, revoked)
    consumer.kill()
    consumer = new.consumer("cpu,default")
    fresh = new.submit("sum", kwargs={"number": 4})
    assert new.app.broker.requeue([revoked]) == [revoked]
    everything = [running, *waiting, delayed, *optional, revoked, fresh]
    wait_until(lambda: {new.status(job_id) for job_id in everything} == {"SUCCESS"}, 60, "all jobs end well")
    wait_until(lambda: all(new.status(job_id) == "REVOKED" for job_id in expired), what="an expired job is discarded")
    assert [(records.read(new.redis, job_id) or {})["attempts"] for job_id in waiting] == ["1", "1", "1"]
    wait_until(lambda: _nothing_left(new), what="queues and indexes are empty, and no old message counts")
    assert consumer.stop() == 0


def assert_a_stopping_consumer_keeps_its_job(old: Side, new: Side) -> None:
    """Check that the consumers of the new broker leave a job to a consumer of the old one that waits for its end."""
    stopping = old.consumer("default")
    job_id = old.submit("wait_and_return", kwargs={"seconds": 6, "message": "ran"})
    wait_until(lambda: old.status(job_id) == "STARTED")
    stopping.send("TERM")
    new.consumer("default", "consumer.2")
    wait_until(lambda: new.status(job_id) == "SUCCESS", what="the job ends")
    assert (records.read(new.redis, job_id) or {})["attempts"] == "1"
    wait_until(lambda: stopping.process.poll() == 0, what="the consumer stops")
    assert not new.redis.exists(keys.consumer("consumer.1@test"))


def _nothing_left(side: Side) -> bool:
    queues = ["cpu", "default"]
    ours = [key for name in queues for key in (*keys.waiting(name), keys.leases(name), keys.delayed(name))]
    waiting = sum(depth["waiting"] for depth in side.app.broker.depths(queues).values())
    return side.redis.exists(*ours, "broker:stock", "broker:amqp", "inbox:rejected") == waiting == 0
