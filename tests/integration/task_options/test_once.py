"""Once: two runs of a job do a step once, and another job with the same id does it again."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from project.settings import get_settings
from project.task_options import once
from project.task_options.once import Once


@pytest.fixture(autouse=True)
def _notes(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("REDIS_PORT", str(redis.connection_pool.connection_kwargs["port"]))
    _forget_settings()
    yield
    _forget_settings()


def _forget_settings() -> None:
    get_settings.cache_clear()
    once._redis.cache_clear()


def sent() -> dict[str, Any]:
    """Do a step that must not be done twice."""
    return {"message_id": "1"}


def again() -> dict[str, Any]:
    """Fail the test."""
    pytest.fail("done again")


def test_a_run_that_checked_too_early_gets_the_result_of_another_run(redis: Redis) -> None:
    """Another run does the step after this run has called result(); a third run finds the note too."""
    slow, quick = Once("job", "mail"), Once("job", "mail")
    assert slow.result() is None
    done = quick.run(sent, ())
    assert slow.run(again, ()) == done == slow.result() == {"message_id": "1", "perhaps_twice": False}


def test_a_new_job_with_a_forgotten_id_does_the_step_again(redis: Redis) -> None:
    """A job that was deleted and submitted again does the step again; a requeued job does not."""
    redis.hset("job:mine", "submitted_at", "1795245213.000")
    Once("mine", "mail").run(sent, ())
    redis.hset("job:mine", "status", "RETRY")
    assert Once("mine", "mail").result()
    redis.delete("job:mine")
    redis.hset("job:mine", "submitted_at", "1795245999.000")
    assert Once("mine", "mail").result() is None
