"""The result of `delay` in an event loop."""

from collections.abc import Awaitable, Generator
from typing import Any, Self

from celery.result import AsyncResult


class JobResult(AsyncResult):
    """Celery's AsyncResult, made cheaper to delete: most results are never waited for."""

    @classmethod
    def of(cls, task: Any, job_id: str, ignored: bool = False) -> Self:
        """Return the result of a job."""
        result = cls(job_id, backend=task.backend, task_name=task.name, app=task.app)
        result.ignored = ignored
        return result

    def __del__(self) -> None:
        """Cancel the wait for the result, if there is one; Celery's own search for it is slow."""
        if self.backend is not None and any(self.id in waiting for waiting in self.backend._pending_results):
            super().__del__()


class Published(JobResult):
    """Celery's AsyncResult of a job that is being published; `await` it to learn whether the broker accepted the job.

    `await task.delay(…)` raises what `task.delay(…)` raises outside an event loop.
    """

    outcome: Awaitable[None]

    @classmethod
    def of_outcome(cls, task: Any, job_id: str, outcome: Awaitable[None], ignored: bool = False) -> Self:
        """Return the result of a job; *outcome* ends, or raises, when the broker has answered."""
        published = cls.of(task, job_id, ignored)
        published.outcome = outcome
        return published

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait for the broker's answer."""
        yield from self.outcome.__await__()
        return self
