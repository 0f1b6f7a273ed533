"""Submit a job and look it up; both raise BrokerUnavailable while Redis is away."""

from typing import Any
from uuid import uuid4

from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

from project.broker import JobExists, QueueFull, records
from project.celery_config.job import JobTask
from project.errors import TooManyJobs, UnknownJob
from project.jobs.availability import Availability
from project.jobs.representation import Accepted, Job
from project.settings import Settings


class Jobs:
    """The jobs of this installation, as the producer sees them."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._redis = _client(settings)
        self._available = Availability(settings.redis_down_pause)

    def tasks(self) -> list[JobTask]:
        """Return the tasks that have a public route, by route."""
        public = [task for task in self._app.tasks.values() if getattr(task, "route", None)]
        return sorted(public, key=lambda task: task.name)

    def submit(self, task: JobTask, arguments: dict[str, Any], request_id: str | None = None) -> Accepted:
        """Queue a job for the task with arguments that were validated before.

        request_id: becomes the job's id, so that a request that NGINX sends to a second producer makes no second job.
        """
        job_id = request_id or str(uuid4())
        with self._available():
            try:
                task.apply_async(kwargs=arguments, task_id=job_id)
            except JobExists:
                if not request_id:
                    raise
            except QueueFull as error:
                raise TooManyJobs from error
        return Accepted(job_id=job_id, task=task.name)

    def look_up(self, task: JobTask, job_id: str) -> Job[Any]:
        """Return the job as it is now, or raise UnknownJob."""
        with self._available():
            record = records.read(self._redis, job_id)
        if record is None or record["task"] != task.name:
            raise UnknownJob
        return Job[Any].from_record(job_id, record)

    def ping(self) -> None:
        """Return if Redis answers."""
        with self._available():
            self._redis.ping()


def _client(settings: Settings) -> Redis:
    """Return a client that never waits longer than REDIS_TIMEOUT and replaces a stale connection once."""
    return Redis.from_url(
        settings.records,
        socket_timeout=settings.redis_timeout,
        socket_connect_timeout=settings.redis_timeout,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )
