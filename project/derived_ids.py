"""Derive ids from names, so that two processes (or two attempts) get the same id for the same job."""

from uuid import UUID, uuid5

#: A namespace for each kind of name; changing one makes existing jobs unknown.
NAMESPACES = {
    "key": UUID("6f1ba1c8-3a0e-4d57-9d5e-4f6f6d0f7c11"),  # a task and an Idempotency-Key
    "message": UUID("0b8a3f5e-2a52-4f0e-9c67-6f1d1f8f2d35"),  # the message_id of a RabbitMQ message
    "schedule": UUID("0c1d9a3e-50b4-4bd0-9c3e-8f5b0d6a7e21"),  # a schedule and one of its times
    "follower": UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8"),  # a job and the task that follows it
}


def derived_id(kind: str, name: str) -> str:
    """Return the id for a name: always the same, and one that no client can choose for another job.

    Anyone can compute it, but the `~` is not allowed in the ids that clients choose (ChosenId).
    """
    return f"{kind}~{uuid5(NAMESPACES[kind], name.encode(errors='backslashreplace').decode())}"
