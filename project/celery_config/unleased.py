"""Job records for brokers that keep none: `redis+stock://` and RabbitMQ.

The leased transport writes the record and the message in one step. Here the record is written first and the message
follows, so a producer that dies in between leaves a PENDING record whose job never comes: what a lab shows.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import celery
from celery import states
from celery._state import get_current_worker_task
from celery.backends.redis import RedisBackend
from redis import Redis
from redis.exceptions import RedisError

from project.broker import JobExists, records
from project.broker.backend import describe
from project.celery_config.chaining import FollowedFailure


def publish(task: Any, job_id: str | None, options: dict[str, Any], send: Callable[..., Any]) -> Any:
    """Write the record of a job and send its message; a message that cannot be sent takes the record with it.

    Raises JobExists for a job whose message was sent before, unless it is the job itself that tries again, or a parent
    that runs again and submits the same child.
    """
    client: Redis = task.backend.client
    job_id = job_id or celery.uuid()
    key, parent = records.key(job_id), _parent(options)
    if client.hexists(key, "queued") and task.request.id != job_id:
        if parent:
            return task.AsyncResult(job_id)
        raise JobExists(job_id)
    queue = options.get("queue") or task.waits_in
    fields: Any = {"task": task.name, "queue": queue, "status": states.PENDING, "submitted_at": time.time()}
    fields |= (options.get("headers") or {}).get("record", {})
    fields |= {"parent": parent} if parent else {}
    new = not client.exists(key)
    if new:
        client.hset(key, mapping=fields)
    try:
        sent = send(task_id=job_id)
    except BaseException:
        if new:
            client.delete(key)
        raise
    client.hset(key, "queued", 1)
    return sent


def _parent(options: dict[str, Any]) -> str | None:
    """Return the id of the running job that publishes this one, if any does."""
    running = get_current_worker_task()
    return options.get("parent_id") or (running.request.id if running else None)


class RecordBackend(FollowedFailure, RedisBackend):
    """Celery's Redis result backend, writing records instead of celery-task-meta keys."""

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Do nothing: a producer that subscribes and never reads freezes after some 36,000 jobs (celery#6963)."""

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **_: Any
    ) -> Any:
        key, fields = records.key(task_id), {"status": state}
        ended = state in states.READY_STATES
        fields |= _started(request) if state == states.STARTED else {}
        fields |= _ended(result, state, traceback) if ended else {}
        children = self.current_task_children(request)
        fields |= {"child_ids": " ".join(child[0][0] for child in children)} if children else {}
        with self.client.pipeline() as pipe:
            pipe.hset(key, mapping=fields)
            if state == states.STARTED:
                pipe.hincrby(key, "token", 1)
                pipe.hdel(key, "progress")  # of a run that is over
            if ended:
                pipe.expire(key, self.expires)
            pipe.execute()
        return result

    def store_progress(self, task_id: str, request: Any, progress: dict[str, Any]) -> None:
        """Note how far a running job is; do nothing if Redis is away."""
        with suppress(RedisError):
            self.client.hset(records.key(task_id), "progress", json.dumps(progress))

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        record = records.read(self.client, task_id) or {}
        status = record.get("status", states.PENDING)
        result = json.loads(record.get("result", "null"))
        if status in states.EXCEPTION_STATES:
            error = json.loads(record.get("error", "{}"))
            known = {"exc_type": error.get("type", status), "exc_message": error.get("message", "")}
            result = self.exception_to_python(known | {"exc_module": "builtins"})
        return {"status": status, "result": result, "traceback": record.get("traceback"), "children": []}


def _started(request: Any) -> dict[str, Any]:
    return {"started_at": time.time(), "consumer": getattr(request, "hostname", None) or ""}


def _ended(result: Any, state: str, traceback: Any) -> dict[str, Any]:
    if state == states.SUCCESS:
        return {"result": json.dumps(result), "finished_at": time.time()}
    return {"error": describe(result), "traceback": str(traceback or ""), "finished_at": time.time()}
