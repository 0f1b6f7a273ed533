"""The result backend: a job's record holds its result, and one atomic step ends the job."""

import json
import logging
from typing import Any

from celery import states
from celery.backends import redis
from celery.exceptions import TaskRevokedError

from . import errors, keys, scripts
from .errors import LONGEST_MESSAGE, LONGEST_TRACEBACK, bounded, describe
from .lease_keeper import LeaseKeeper

logger = logging.getLogger(__name__)

#: Not written here: the publish of a retry writes RETRY.
WRITTEN_ELSEWHERE = frozenset({states.RETRY, states.RECEIVED})
#: What Celery stores when a job begins; fetch.lua has written STARTED then.
BEGUN = {"pid", "hostname"}
#: The fields of every result; `result_extended` adds the task's name, arguments, consumer, queue and group.
BASIC = frozenset({"status", "result", "traceback", "children", "date_done"})


class ResultConsumer(redis.ResultConsumer):
    """Waits for results: the channel of a job reports that it has changed; then its record is read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Read results from records instead of messages."""
        super().__init__(*args, **kwargs)
        self._decode_result = lambda payload: self.backend._get_task_meta_for(json.loads(payload)["job_id"])

    def _reconnect_pubsub(self) -> None:
        super()._reconnect_pubsub()
        for channel in list(self.subscribed_to):  # jobs may have ended while the connection was down
            self.on_state_change(self.backend._get_task_meta_for(channel.removeprefix(b"job:").decode()), None)


class Backend(redis.RedisBackend):
    """Selected by Celery's setting result_backend."""

    task_keyprefix = "job:"
    ResultConsumer = ResultConsumer
    supports_failure_expires = False  # all records expire after result_ttl, so Celery warns about the setting

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Read bytes, even if the URL sets decode_responses: fields may be compressed or pickled."""
        super().__init__(*args, **kwargs)
        self.connparams.pop("decode_responses", None)

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Do not subscribe: a producer that never reads its subscription freezes after about 36,000 jobs."""

    def mark_as_done(self, task_id: str, result: Any, request: Any = None, store_result: bool = True,
                     state: str = states.SUCCESS) -> None:  # fmt: skip
        """Mark a job as successful, even if its result is ignored."""
        if not store_result:
            self._write(task_id, state, [], request)
        super().mark_as_done(task_id, result, request, store_result, state)

    def mark_as_failure(self, *args: Any, **kwargs: Any) -> None:
        """Mark a job as failed; store the error even if results are ignored."""
        super().mark_as_failure(*args, **kwargs | {"store_result": True})

    def _store_result(self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None,
                      **kwargs: Any) -> Any:  # fmt: skip
        begins = state == states.STARTED and isinstance(result, dict) and result.keys() == BEGUN
        if begins or state in WRITTEN_ELSEWHERE:
            return result
        children = self.current_task_children(request)
        fields: list[Any] = ["children", self.encode(children)] if children else []
        if state in states.EXCEPTION_STATES:
            trace = bounded(str(traceback or ""), LONGEST_TRACEBACK)
            fields += ["exception", self._encode_exception(result), "traceback", trace]
            if state == states.FAILURE:
                fields += ["error", describe(result)]
        else:
            fields += ["result" if state == states.SUCCESS else "meta", self.encode(result)]
        if self.app.conf.result_extended:
            known = self._get_result_meta(None, state, None, request)
            fields += ["extended", self.encode({name: known[name] for name in known.keys() - BASIC})]
        self._write(task_id, state or states.STARTED, fields, request)  # update_state(meta=…) names no state
        return result

    def _encode_exception(self, result: Any) -> Any:
        """Encode an exception for Celery; replace its arguments by a short text if they are too long."""
        encoded = self.encode(result)
        if len(encoded) <= LONGEST_TRACEBACK or not isinstance(result, dict):
            return encoded
        message = bounded(json.loads(describe(result))["message"], LONGEST_MESSAGE)
        return self.encode(result | {"exc_message": [message]})

    def _write(self, task_id: str, state: str, fields: list[Any], request: Any, max_retries: int | None = None) -> None:
        token = getattr(request, "attempt", None) or ""
        keeper: LeaseKeeper | None = getattr(self.app, "lease_keeper", None)
        if not (keeper and keeper.end(task_id, token, state, fields)):
            # In a pool process. It may retry for as long as it takes, because its parent renews the lease.
            args = [self.expires or 0, task_id, token, state, len(fields), *fields]
            refused = self.ensure(scripts.FINISH, (self.client, [], args), max_retries=max_retries, interval_max=1)
            if refused:
                logger.warning("result refused: another attempt owns the job, or its record is gone: %s", refused)

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        raw = self.client.hgetall(keys.job(task_id))
        record = {name.decode(): value for name, value in raw.items()}
        state = record.get("status", b"PENDING").decode()
        meta = {"task_id": task_id, "status": state, "result": None, "traceback": None, "children": []}
        if state in states.EXCEPTION_STATES:
            meta["result"] = self._exception(state, record)
            meta["traceback"] = record.get("traceback", b"").decode() or None
        elif value := record.get("result") or record.get("meta"):
            meta["result"] = self.decode(value)
        if "children" in record:
            meta["children"] = self.decode(record["children"])
        if "extended" in record:
            meta |= self.decode(record["extended"])
        return meta

    def _exception(self, state: str, record: dict[str, bytes]) -> Any:
        if "exception" in record:
            return self.exception_to_python(self.decode(record["exception"]))
        if "error" not in record:
            return TaskRevokedError("revoked") if state == states.REVOKED else None
        # written by a Lua script, or for a retry: there is no pickled exception, and its class may be anywhere
        error = json.loads(record["error"])
        kind = {"exc_type": error["type"], "exc_module": errors.__name__}
        return self.exception_to_python(kind | {"exc_message": (error["message"],)})

    def _mget_to_results(self, values: Any, keys: list[str], READY_STATES: Any = states.READY_STATES) -> dict[str, Any]:
        # Groups call this for jobs that ended before they subscribed. MGET filled values, but cannot read hashes.
        metas = {str(task_id): self._get_task_meta_for(str(task_id)) for task_id in keys}
        return {task_id: meta for task_id, meta in metas.items() if meta["status"] in READY_STATES}

    def task_result_exists(self, task_id: str) -> bool:
        """Return whether a job is known, even if it still waits."""
        return bool(self.client.exists(keys.job(task_id)))

    def _forget(self, task_id: str) -> None:
        if self.client.hget(keys.job(task_id), "status") in (b"SUCCESS", b"FAILURE", b"REVOKED"):
            self.client.delete(keys.job(task_id))
