"""Cards as consumers would announce them, without the tasks: importing those would change the apps of other tests."""

from typing import Any

from redis import Redis

from project.cards import store
from project.cards.card import Card

PACK = {
    "name": "pack",
    "route": "pack",
    "queue": "shop",
    "summary": "Pack an item",
    "arguments": {
        "type": "object",
        "properties": {"item": {"type": "string", "maxLength": 20}, "count": {"type": "integer", "default": 1}},
        "required": ["item"],
        "additionalProperties": False,
    },
    "result": {"type": "integer"},
    "version": "2026-01-01T00:00:00Z-00000001",
}


def card(name: str = "pack", **changes: Any) -> Card:
    """Return the card of a task that packs items."""
    return Card.model_validate(PACK | {"name": name, "route": name} | changes)


def announce(client: Redis, *cards: Card, ttl: int = 60) -> None:
    """Write cards."""
    store.announce(client, [each.text() for each in cards], ttl)
