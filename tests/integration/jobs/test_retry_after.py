"""How soon a full queue has room again is an estimate: nothing fails for want of it."""

import pytest
from redis import Redis

from project.jobs.retry_after import UNKNOWN, RetryAfter
from project.leased_transport import keys


@pytest.mark.parametrize("is_hash", [False, True])
def test_it_is_unknown_while_another_program_uses_the_key_of_the_counter(redis: Redis, is_hash: bool) -> None:
    """The refusal is a 429 all the same."""
    redis.delete(keys.FETCH_COUNTS)
    redis.hset(keys.FETCH_COUNTS, "cpu", "x") if is_hash else redis.set(keys.FETCH_COUNTS, 1)
    assert RetryAfter(redis, 10).seconds_until_room("cpu") == UNKNOWN
    redis.delete(keys.FETCH_COUNTS)
