"""Do a step once, such as sending a mail, in a job that may run twice."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from redis.exceptions import RedisError

from project import redis_clients
from project.leased_transport import keys
from project.settings import get_settings

KEPT = 24 * 60 * 60  # seconds: longer than a job may wait until it runs again
BEGUN = b"sending"


class Once:
    """Notes in Redis, under `sent:<job_id>:<name>`, that a step has begun and what it returned.

    A run that finds the result of an earlier run returns that. A run that finds only the beginning cannot know whether
    the earlier run did the step. It does the step again, so that it is done at least once, and reports that.
    """

    def __init__(self, job_id: str, content: Any) -> None:
        """Derive a name from the job's id, the time of its submission and the content of the step.

        When a job is deleted, another job can have its id. Retries and requeues do not change the time of submission.
        """
        submitted_at = (_redis().hget(keys.job(job_id), "submitted_at") or b"").decode()
        self.name = hashlib.sha256(json.dumps([job_id, submitted_at, content]).encode()).hexdigest()[:32]
        self._key, self._ttl = f"sent:{job_id}:{self.name}", max(KEPT, get_settings().result_ttl)

    def result(self) -> Any:
        """Return what an earlier run returned, or None."""
        noted = _redis().get(self._key)
        return json.loads(noted) if noted and noted != BEGUN else None

    def run(self, step: Callable[[], dict[str, Any]], not_done: tuple[type[Exception], ...]) -> dict[str, Any]:
        """Do the step and note its result, unless a result is noted already.

        Adds `perhaps_twice` to the result: whether an earlier run may have done the step too.
        not_done: errors after which the step was certainly not done.
        """
        before = _redis().set(self._key, BEGUN, ex=self._ttl, get=True)
        if before not in (None, BEGUN):  # another run has finished since the call of result()
            _redis().set(self._key, before, ex=self._ttl)
            return dict(json.loads(before))
        begun_before = before is not None
        try:
            result = {**step(), "perhaps_twice": begun_before}
        except not_done:
            if not begun_before:
                _redis().delete(self._key)
            raise
        with suppress(RedisError):  # the step is done: if this failed, a retry would do it again
            _redis().set(self._key, json.dumps(result), ex=self._ttl)
        return result


@cache
def _redis() -> Any:
    return redis_clients.client(get_settings())
