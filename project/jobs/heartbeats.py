"""Read which consumers and producers are up, from their heartbeats; what another program has written is skipped."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from redis import Redis
from redis.exceptions import RedisError

from project.leased_transport import keys, listing
from project.leased_transport.overwritten import naming

Count = Annotated[int, Field(ge=0, le=10**12)]
Time = Annotated[float, Field(ge=0, lt=2e10)]  # unix seconds; pydantic reads larger numbers as milliseconds
T = TypeVar("T", bound=BaseModel)


class ConsumerDescription(BaseModel):
    """What a consumer says of itself; one of an older version leaves out some of the fields that have defaults."""

    name: str
    host: str = ""
    pid: int = Field(default=0, ge=0, lt=2**31)
    pool: str
    slots: int = Field(ge=1, le=10**6)
    queues: list[str]
    tasks: list[str] = []
    up_since: Time | None = None
    done: Count | None = None


class ProducerDescription(BaseModel):
    """What a producer says of itself."""

    name: str
    up_since: Time
    requests: float = Field(ge=0, le=10**9)
    pages: Count


class RunningJob(BaseModel):
    """A job that a consumer runs."""

    job_id: str
    task: str
    queue: str
    since: Time


def consumers(client: Redis, queues: list[str], most: int = 1000) -> list[dict[str, Any]]:
    """Return the consumers with a current heartbeat, each with the jobs that it runs: *most* of each queue."""
    described = _read(client, keys.CONSUMERS, keys.consumer, ConsumerDescription.model_validate_json)
    running = _running(client, queues, most)
    return [each.model_dump(exclude_unset=True) | {"busy": running[name]} for name, each in described]


def producers(client: Redis) -> list[dict[str, Any]]:
    """Return the producers with a current heartbeat."""
    described = _read(client, keys.PRODUCERS, keys.producer, ProducerDescription.model_validate_json)
    return [each.model_dump() for _, each in described]


def _running(client: Redis, queues: list[str], most: int) -> defaultdict[str, list[dict[str, Any]]]:
    """Return the running jobs by consumer."""
    running = defaultdict(list)
    for consumer, fields in listing.running(client, queues, most):
        with suppress(ValidationError):
            running[consumer].append(RunningJob.model_validate(fields).model_dump())
    return running


def _read(client: Any, members: str, key: Callable[[str], str], parse: Callable[[bytes], T]) -> list[tuple[str, T]]:
    """Return the members of a set with their descriptions, and forget those whose heartbeat has expired."""
    with naming(members):
        names = sorted(raw.decode(errors="replace") for raw in client.smembers(members))
    texts = client.mget([key(name) for name in names]) if names else []
    if gone := [name for name, text in zip(names, texts, strict=True) if text is None]:
        with suppress(RedisError):
            client.srem(members, *gone)
    found = []
    for name, text in zip(names, texts, strict=True):
        with suppress(ValidationError):
            if text:
                found.append((name, parse(text)))
    return found
