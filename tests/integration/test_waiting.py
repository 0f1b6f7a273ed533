"""Hearing of changes: many listeners, one connection, and none of it lost when Redis restarts."""

import asyncio
from pathlib import Path

import pytest
from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job
from project.errors import BrokerUnavailable, TooManyListeners
from project.jobs.service import Jobs
from project.jobs.waiting import Changes
from project.settings import Settings
from tests.support.processes import RedisServer


def url(redis: Redis) -> str:
    """Where the Redis is."""
    return f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}/0"


def test_each_listener_hears_its_own_channel(redis: Redis) -> None:
    """What is published after the block was entered is heard, by all who listen to it and by nobody else."""

    async def listen() -> list[int]:
        changes = Changes(url(redis), 1)
        async with changes.watch("job:a") as first, changes.watch("job:a") as second, changes.watch("job:b") as other:
            assert changes.listeners == 3
            await asyncio.to_thread(redis.publish, "job:a", '{"status": "SUCCESS"}')
            assert await first.get() == await second.get() == {"status": "SUCCESS"}
            assert other.empty()
            clients = len(redis.client_list(_type="pubsub"))
        await changes.close()
        return [changes.listeners, clients]

    assert asyncio.run(listen()) == [0, 1]


def test_a_restarted_redis_makes_listeners_look_again(tmp_path: Path) -> None:
    """What happened while nobody could hear it is not missed: None says so."""
    server = RedisServer(tmp_path)

    async def listen() -> object:
        changes = Changes(server.url, 1)
        async with changes.watch("job:a") as heard:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            again = await asyncio.wait_for(heard.get(), 10)
            await asyncio.to_thread(server.client.publish, "job:a", '{"status": "SUCCESS"}')
            assert await asyncio.wait_for(heard.get(), 10) == {"status": "SUCCESS"}
        await changes.close()
        return again

    assert asyncio.run(listen()) is None
    server.kill()


def test_listening_to_a_redis_that_is_away_fails_soon() -> None:
    """The subscription is not waited for longer than the timeout."""

    async def listen() -> None:
        changes = Changes("redis://127.0.0.1:1/0", 0.5)
        async with changes.watch("job:a"):
            pass

    with pytest.raises(BrokerUnavailable):
        asyncio.run(listen())


def test_only_so_many_may_listen(settings: Settings) -> None:
    """Beyond MAX_WAITERS a wait is answered at once with the job as it is, and a stream is refused."""
    app = create_celery_app(settings)
    jobs = Jobs(app, settings.model_copy(update={"max_waiters": 0}))
    job_id = jobs.submit(sum_to_n_job, {"number": 1}).job_id
    assert asyncio.run(asyncio.wait_for(jobs.wait(sum_to_n_job, job_id, 30), 5)).status == "PENDING"
    with pytest.raises(TooManyListeners):
        jobs.make_room()
    app.close()
