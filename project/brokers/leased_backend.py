"""The leased transport's result backend, extended for this project's tasks: they report progress and have followers."""

import json
from contextlib import suppress
from typing import Any

from celery import states
from redis.exceptions import RedisError

from project.leased_transport import backend
from project.task_options.followers import FollowedFailure


class LeasedBackend(FollowedFailure, backend.Backend):
    """Selected by project/brokers/leased.py."""

    def begin(self, task: Any) -> None:
        """Do nothing: the step that fetched the job has already marked it as started."""

    def drop(self, request: Any) -> None:
        """Do nothing for a job that its task ignores: acknowledging it drops its lease."""

    def store_progress(self, task_id: str, request: Any, progress: dict[str, Any]) -> None:
        """Note how far a running job is; do nothing if Redis is away or another attempt owns the job."""
        fields = ["progress", json.dumps(progress)]
        with suppress(RedisError):
            self._write(task_id, states.STARTED, fields, request, max_retries=0)
