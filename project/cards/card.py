"""A card: what a consumer announces about a task, as JSON. Other programs can write to Redis, so it is validated."""

import hashlib
import json
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from project.task_options.declaration import NAME, is_queue

LARGEST = 64 * 1024  # bytes of a card
MOST_CARDS = 500  # in Redis; the ones that were announced longest ago go first
#: The first parts of the producer's own paths below /producer/api/, which no task can have as its route.
RESERVED = frozenset(
    {"chaos", "consumers", "events", "failures", "jobs", "overview", "queues", "records", "remind_me", "schedules"}
    | {"tasks"}
)


class BadCard(ValueError):
    """A card cannot be used; the text gives the reason."""


def _own_queue(name: str) -> str:
    if not is_queue(name) or name.startswith("celery"):  # a list of another Celery app, whose messages are no jobs here
        raise ValueError(f"{name!r} is not the name of a queue for jobs")
    return name


def _own_route(route: str) -> str:
    if route in RESERVED:
        raise ValueError(f"/{route} is the producer's own address")
    return route


Name = Annotated[str, Field(pattern=f"^{NAME}$")]


class CardOptions(BaseModel):
    """The options of a task that matter to clients; times are in seconds."""

    model_config = ConfigDict(strict=True)

    priority: int | None = Field(default=None, ge=0, le=9)
    time_limit: float | None = Field(default=None, gt=0)
    soft_time_limit: float | None = Field(default=None, gt=0)
    max_retries: int | None = Field(default=None, ge=0)


class Card(BaseModel):
    """What clients and producers have to know of a task. version: sorts by age, see describe.py."""

    # unknown fields are ignored: a newer consumer may write them
    model_config = ConfigDict(strict=True, frozen=True)

    name: Name
    route: Annotated[Name, AfterValidator(_own_route)]
    queue: Annotated[Name, AfterValidator(_own_queue)]
    summary: str = Field(max_length=500)
    description: str = Field(default="", max_length=10_000)
    arguments: dict[str, Any]
    result: dict[str, Any]
    options: CardOptions = CardOptions()
    version: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-[0-9a-f]{8}$")

    @model_validator(mode="after")
    def _name_is_route(self) -> Self:
        if self.name != self.route:  # the address of a job is made of its task's name
            raise ValueError(f"its name {self.name!r} and its route {self.route!r} differ")
        return self

    def text(self) -> str:
        """Return the card as it is stored; the order of the arguments is that of the declaration."""
        return json.dumps(self.model_dump(mode="json"), separators=(",", ":"))

    def announces_the_same(self, other: "Card") -> bool:
        """Tell whether the cards differ in nothing but the version of the code."""
        return self.model_copy(update={"version": ""}) == other.model_copy(update={"version": ""})


def digest(text: bytes) -> str:
    """Return the name of a card: another content is another card."""
    return hashlib.sha256(text).hexdigest()[:32]


def parse(name: str, text: bytes) -> Card:
    """Return the card with this digest, or raise BadCard."""
    if len(text) > LARGEST:
        raise BadCard(f"it has {len(text)} bytes; at most {LARGEST} are allowed")
    if digest(text) != name:
        raise BadCard("its content has changed since it was announced")
    try:
        return Card.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadCard(f"{'.'.join(map(str, first['loc'])) or 'card'}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise BadCard("it is not JSON") from None
