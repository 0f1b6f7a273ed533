"""Load everything that producer and consumers load, to find errors before they run."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from project.native import bytecode
from project.startup import explained

LIMIT = 60  # seconds


def load_app() -> None:
    """Exit if producer or consumers could not start: a typo in a task, two tasks with one route, an unknown queue."""
    with explained(), _limited():
        # imported here, so that an error in these modules is explained too
        from project import consumer, producer  # noqa: PLC0415

        consumer.chosen_queues()
        producer.create_app()


@contextmanager
def _limited() -> Iterator[None]:
    """Raise a TimeoutError where the block is after LIMIT seconds: a module may hang when it is imported."""
    signal.signal(signal.SIGALRM, _raise_timeout)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)  # it would outlive even exec(2)


def _raise_timeout(*_: Any) -> None:
    raise TimeoutError(f"it has not been loaded after {LIMIT} s")


if __name__ == "__main__":
    load_app()
    bytecode.store()
    os._exit(0)  # to free all that was loaded would take longer than to load it
