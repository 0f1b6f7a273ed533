"""Load everything that producer and consumers load, to find errors before they run."""

import os

from project.native import bytecode
from project.startup import explained


def load_app() -> None:
    """Exit if producer or consumers could not start: a typo in a task, or two tasks with one route."""
    with explained():
        # imported here, so that an error in these modules is explained too
        from project import consumer, producer  # noqa: F401, PLC0415

        producer.create_app()


if __name__ == "__main__":
    load_app()
    bytecode.store()
    os._exit(0)  # to free all that was loaded would take longer than to load it
