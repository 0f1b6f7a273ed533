"""Celery's Redis result backend, writing job records instead of celery-task-meta keys."""

import json
import time
from typing import Any

from celery import states
from celery.backends.redis import RedisBackend

from project.broker import records


class RecordBackend(RedisBackend):
    """Store states and results in the job's record, and never subscribe when a job is published."""

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Do nothing.

        Stock Celery subscribes here, a producer never reads, and it freezes after about 36,000 jobs (celery#6963).
        """

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **_: Any
    ) -> Any:
        key, fields = records.key(task_id), {"status": state}
        ended = state in states.READY_STATES
        fields |= _started(request) if state == states.STARTED else {}
        fields |= _ended(result, state, traceback) if ended else {}
        with self.client.pipeline() as pipe:
            pipe.hset(key, mapping=fields)
            if state == states.STARTED:
                pipe.hincrby(key, "attempts", 1)
            if ended:
                pipe.expire(key, self.expires)
            pipe.execute()
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        record = records.read(self.client, task_id) or {}
        status = record.get("status", states.PENDING)
        result = record.get("result")
        if status in states.EXCEPTION_STATES:
            error = record.get("error") or {"type": status, "message": ""}
            result = self.exception_to_python(
                {"exc_type": error["type"], "exc_message": error["message"], "exc_module": "builtins"}
            )
        return {"status": status, "result": result, "traceback": record.get("traceback"), "children": []}


def _started(request: Any) -> dict[str, Any]:
    return {"started_at": time.time(), "consumer": getattr(request, "hostname", None) or ""}


def _ended(result: Any, state: str, traceback: Any) -> dict[str, Any]:
    if state == states.SUCCESS:
        return {"result": json.dumps(result), "finished_at": time.time()}
    message = result.get("exc_message", "")
    text = " ".join(map(str, message)) if isinstance(message, (list, tuple)) else str(message)
    error = json.dumps({"type": result.get("exc_type"), "message": text})
    return {"error": error, "traceback": str(traceback or ""), "finished_at": time.time()}
