"""The worker's consumer: tells the ledger what the worker knows."""

import math
from contextlib import suppress
from typing import Any

from celery.concurrency import solo, thread
from celery.worker import consumer, state

from .errors import Rejected
from .lease_keeper import LEDGER


class Consumer(consumer.Consumer):
    """Selected by Celery's setting worker_consumer."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Any:
        """Prepare the channel that jobs come through, after each (re)connect."""
        LEDGER.consumer = self.hostname
        # A prefork child takes longer to reach than Redis: there fetching ahead gains nothing.
        self.task_consumer.channel.fetch_ahead = isinstance(self.pool, solo.TaskPool | thread.TaskPool)
        self.task_consumer.channel.hard_limit = self._hard_limit
        return super().create_task_handler(*args, **kwargs)

    def _hard_limit(self, headers: dict[str, Any]) -> float:
        """Return the hard time limit of a job in seconds: its own, its task's or that of all."""
        own, _ = headers.get("timelimit") or (None, None)
        task = self.app.tasks.get(headers["task"])
        return float(own or getattr(task, "time_limit", None) or self.app.conf.task_time_limit or math.inf)

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Acknowledge at once where that happens in the loop's own thread: it only tells the ledger."""
        if isinstance(self.pool, thread.TaskPool):
            return super().call_soon_ack(p, *args, **kwargs)
        return p(*args, **kwargs)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Fail a job whose message cannot be decoded; Celery would acknowledge it, and nobody would hear of it."""
        LEDGER.release(message.delivery_tag, Rejected(f"its message cannot be decoded: {exc}"))
        super().on_decode_error(message, exc)

    def on_close(self) -> None:
        """Keep the leases of running jobs over a reconnect; hand back the others, which were just forgotten."""
        # A thread pool runs all that it was given, also what no thread has begun with; prefork's flush forgets that.
        given = list(state.reserved_requests) if isinstance(self.pool, thread.TaskPool) else []
        running = {each.id for each in (*state.active_requests, *(one for one in given if one._apply_result))}
        super().on_close()
        with suppress(*self.connection_errors):  # else their leases run out: the ledger no longer renews them
            LEDGER.hand_back_backlog()  # apart from the others, because these certainly never ran
            idle = [tag for tag, hold in list(LEDGER.held.items()) if hold.id not in running]
            LEDGER.hand_back(idle, "stop" if LEDGER.leaving else "return")

    def close(self) -> None:
        """Note that the worker was asked to stop (it calls this at once)."""
        LEDGER.leaving = True

    def shutdown(self) -> None:
        """Write the last endings and hand back what is left."""
        with suppress(*self.connection_errors):
            LEDGER.close()
        super().shutdown()
