"""Changes of jobs: many listeners share one connection, and lose no change when Redis restarts."""

import asyncio
from pathlib import Path

import pytest
from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job
from project.errors import TooManyListeners
from project.jobs.job_events import Changes
from project.jobs.service import Jobs
from project.settings import Settings
from tests.support.changes import CHANGE, NOT_CHANGES
from tests.support.event_loop import in_event_loop
from tests.support.processes import RedisServer
from tests.support.wait import wait_until


def url(redis: Redis) -> str:
    """Where the Redis is."""
    return f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}/0"


def test_each_listener_hears_its_own_channel(redis: Redis) -> None:
    """All listeners of a channel, and only they, get what is published after the block has started."""

    async def listen() -> list[int]:
        changes = Changes(Settings(_env_file=None, redis_url=url(redis), redis_timeout=1))
        async with changes.watch("job:a") as first, changes.watch("job:a") as second, changes.watch("job:b") as other:
            assert changes.listeners == 3
            await asyncio.to_thread(redis.publish, "job:a", CHANGE.model_dump_json())
            assert await first.get() == await second.get() == CHANGE
            assert other.empty()
            clients = len(redis.client_list(_type="pubsub"))
        await changes.close()
        return [changes.listeners, clients]

    assert asyncio.run(listen()) == [0, 1]


def test_a_message_that_is_not_a_change_is_skipped(redis: Redis) -> None:
    """Any program may publish in Redis; whatever it sends, the changes that follow are heard."""

    async def listen() -> None:
        changes = Changes(Settings(_env_file=None, redis_url=url(redis), redis_timeout=1))
        async with changes.watch("job:a") as heard:
            for message in (*NOT_CHANGES, CHANGE.model_dump_json()):
                await asyncio.to_thread(redis.publish, "job:a", message)
            assert await asyncio.wait_for(heard.get(), 5) == CHANGE
        await changes.close()

    asyncio.run(listen())


def test_a_restarted_redis_makes_listeners_look_again(tmp_path: Path) -> None:
    """None tells listeners that changes during the outage may have been missed."""
    server = RedisServer(tmp_path)

    async def listen() -> object:
        changes = Changes(Settings(_env_file=None, redis_url=server.url, redis_timeout=1))
        async with changes.watch("job:a") as heard:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            again = await asyncio.wait_for(heard.get(), 10)
            await asyncio.to_thread(server.client.publish, "job:a", CHANGE.model_dump_json())
            assert await asyncio.wait_for(heard.get(), 10) == CHANGE
        await changes.close()
        return again

    assert asyncio.run(listen()) is None
    server.kill()


def test_a_listener_that_connects_while_redis_is_away_hears_changes_when_it_is_back(tmp_path: Path) -> None:
    """It works also for a second listener, after the first one has left."""
    server = RedisServer(tmp_path)
    server.kill()

    async def listen() -> None:
        changes = Changes(Settings(_env_file=None, redis_url=server.url, redis_timeout=0.5))

        async def heard() -> object:
            async with changes.watch("job:a") as queue:
                while (change := await queue.get()) is None:
                    pass
                return change

        impatient, patient = asyncio.create_task(heard()), asyncio.create_task(heard())
        assert not (await asyncio.wait([impatient, patient], timeout=1))[0]
        impatient.cancel()
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(wait_until, lambda: server.client.publish("job:a", CHANGE.model_dump_json()), 10)
        assert await asyncio.wait_for(patient, 10) == CHANGE
        await changes.close()

    asyncio.run(listen())
    server.kill()


def test_a_listener_that_resubscribes_at_once_hears_changes(redis: Redis) -> None:
    """Leaving a channel and entering it again may overlap."""

    async def listen() -> None:
        changes = Changes(Settings(_env_file=None, redis_url=url(redis), redis_timeout=1))
        for turn in range(50):
            published = CHANGE.model_copy(update={"job_id": f"{turn}"})
            async with changes.watch("job:a") as heard:
                await asyncio.to_thread(redis.publish, "job:a", published.model_dump_json())
                while (change := await asyncio.wait_for(heard.get(), 5)) != published:
                    assert change is None
        await changes.close()

    asyncio.run(listen())


def test_the_number_of_listeners_is_limited(settings: Settings) -> None:
    """Beyond MAX_WAITERS, a wait returns the current job immediately, and a stream is refused."""
    app = create_celery_app(settings)
    jobs = Jobs(app, settings.model_copy(update={"max_waiters": 0}))
    job_id = in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1})).job_id
    assert in_event_loop(jobs, jobs.wait(sum_to_n_job, job_id, 30)).status == "PENDING"
    with pytest.raises(TooManyListeners):
        jobs.require_room()
    app.close()
