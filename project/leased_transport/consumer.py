"""The worker's consumer: makes the lease keeper, and tells it what the worker knows."""

import math
from contextlib import suppress
from typing import Any

from celery.concurrency import solo, thread
from celery.worker import consumer, state
from redis.exceptions import ResponseError

from . import forked, keys
from .errors import Rejected
from .events import Dispatcher
from .forked_front import Commands, SlotCommands, choose_commands
from .forked_slot import SlotPool
from .lease_keeper import LeaseKeeper
from .scripts import is_damage


class Consumer(consumer.Consumer):
    """Selected by Celery's setting worker_consumer.

    keeper: holds the leases of this consumer, over all reconnects; the result backend finds it as `app.lease_keeper`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the lease keeper, and choose how events are sent."""
        super().__init__(*args, **kwargs)
        # A prefork child takes longer to reach than Redis, so its consumer gains nothing from fetching ahead.
        runs_jobs = isinstance(self.pool, solo.TaskPool | thread.TaskPool)
        options: dict[str, Any] = {}
        if isinstance(self.pool, forked.TaskPool):
            self.pool.consumer, options = self, {"others": self.pool.slot_leases}
        elif isinstance(self.pool, SlotPool):
            options = {"board": self.pool.slot.leases}
            choose_commands(self, SlotCommands(), answers=False)
        self.keeper = LeaseKeeper(self.hostname, runs_jobs=runs_jobs, hard_limit=self._hard_limit, **options)
        self.app.lease_keeper = self.keeper
        self.app.events.dispatcher_cls = Dispatcher

    def connect(self) -> Any:
        """Connect to Redis; on this connection only consumers declare queues, not publishers."""
        connection = super().connect()
        connection.is_consumers = True  # see the channel's _queue_bind
        return connection

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Any:
        """Hand the keeper to the channel through which jobs arrive, after each (re)connect."""
        self.task_consumer.channel.keeper = self.keeper
        if isinstance(self.pool, forked.TaskPool):
            self._leave_jobs_to_slots()
        return super().create_task_handler(*args, **kwargs)

    def add_task_queue(self, *args: Any, **kwargs: Any) -> None:
        """Serve one more queue, by the remote control command add_consumer."""
        super().add_task_queue(*args, **kwargs)
        self._note_queues()

    def cancel_task_queue(self, queue: str) -> None:
        """Stop serving a queue, by the remote control command cancel_consumer."""
        super().cancel_task_queue(queue)
        self._note_queues()

    def _note_queues(self) -> None:
        """In the front process of a forked pool, reap from these queues, and show them to slots that start later."""
        if isinstance(self.pool, forked.TaskPool):
            self.pool.queues.write(self.app.amqp.queues.consume_from)
            self._reap()

    def _leave_jobs_to_slots(self) -> None:
        """Fetch no jobs, but reap expired leases; this is the front process of a forked pool."""
        self.task_consumer.consume = lambda *_, **__: None
        self._reap()
        choose_commands(self, Commands(self.pool.front), answers=True)

    def _reap(self) -> None:
        self.task_consumer.channel._open_keeper([queue.name for queue in self.task_consumer.queues])

    def _hard_limit(self, headers: dict[str, Any]) -> float:
        """Return the hard time limit of a job in seconds: its own, its task's or the app's."""
        own, _ = headers.get("timelimit") or (None, None)
        task = self.app.tasks.get(headers["task"])
        return float(own or getattr(task, "time_limit", None) or self.app.conf.task_time_limit or math.inf)

    def bucket_for_task(self, task: Any) -> Any:
        """Return the token bucket that enforces a task's rate limit; each slot of a forked pool gets an equal share."""
        bucket = super().bucket_for_task(task)
        if bucket and isinstance(self.pool, SlotPool):
            bucket.fill_rate /= self.pool.slots
        return bucket

    def _limit_move_to_pool(self, request: Any) -> None:
        """Run a job that its rate limit has held back, unless it was cancelled or reaped in the meantime."""
        token = request.request_dict["attempt"]
        try:
            known = self.keeper.client.hmget(keys.job(request.id), "token", "status")
        except ResponseError as exc:  # another program has overwritten its record: it is no job any more
            if not is_damage(exc):
                raise
            known = []
        if known == [str(token).encode(), b"STARTED"]:
            super()._limit_move_to_pool(request)
        else:
            request.acknowledge()

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Acknowledge at once if this is the event loop's own thread: the keeper only notes it."""
        if isinstance(self.pool, thread.TaskPool):
            return super().call_soon_ack(p, *args, **kwargs)
        return p(*args, **kwargs)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Fail a job with an undecodable message; Celery would only acknowledge it, which leaves it STARTED."""
        self.keeper.release(message.delivery_tag, Rejected(f"its message cannot be decoded: {exc}"))
        super().on_decode_error(message, exc)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Let Celery fail a job of an unknown task: its error names the task, that of a rejected message does not."""
        self.keeper.forget(message.delivery_tag)
        super().on_unknown_task(body, message, exc)

    def on_close(self) -> None:
        """Keep the leases of running jobs over a reconnect; hand back the other jobs, which Celery forgets here."""
        # A thread pool runs every job that it was given, also those that no thread has begun; prefork forgets those.
        reserved = list(state.reserved_requests) if isinstance(self.pool, thread.TaskPool) else []
        given = [request for request in reserved if request._apply_result]
        running = {request.id for request in (*state.active_requests, *given)}
        super().on_close()
        with suppress(*self.connection_errors):  # then their leases expire, because the keeper has dropped them
            self.keeper.hand_back_backlog()  # apart from the others, because these certainly never ran
            self.keeper.hand_back_idle(running)

    def close(self) -> None:
        """Note that the worker was asked to stop; it calls this first of all."""
        self.keeper.leaving = True

    def shutdown(self) -> None:
        """Write the last results and hand back the remaining jobs."""
        with suppress(*self.connection_errors):
            self.keeper.close()
        super().shutdown()
