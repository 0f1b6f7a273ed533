"""The cards in Redis: one key each, which expires, and an index."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis

from project.cards.card import LARGEST, MOST_CARDS, digest
from project.leased_transport import keys
from project.leased_transport.scripts import Script, is_damage

INDEX = "cards"
ANNOUNCE = Script("announce", Path(__file__).parent / "lua")


class Found(NamedTuple):
    """The digests of all cards, the texts of those that were not known, and the number of consumers of each task."""

    digests: list[str]
    texts: dict[str, bytes]
    consumers: Counter[str]


def key(name: str) -> str:
    """Return the key of the card with a digest."""
    return f"card:{name}"


def announce(client: Redis, texts: Iterable[str], ttl: int) -> None:
    """Write cards, or renew them, in one step."""
    pairs = [part for text in texts for part in (digest(text.encode()), text)]
    if pairs:
        ANNOUNCE(client, [INDEX], [ttl, MOST_CARDS, *pairs])


def read(client: Any, known: Collection[str]) -> Found:
    """Return the unexpired cards, and the number of consumers of each task; texts longer than LARGEST are cut."""
    pipeline = client.pipeline(transaction=False)
    pipeline.time().zrange(INDEX, 0, MOST_CARDS - 1, desc=True, withscores=True).smembers(keys.CONSUMERS)
    (now, _), index, names = map(_or_nothing, pipeline.execute(raise_on_error=False))
    digests = [raw.decode(errors="replace") for raw, expires in index if expires > now]
    unknown = [each for each in digests if each not in known]
    for each in unknown:
        pipeline.getrange(key(each), 0, LARGEST)
    for name in names:
        pipeline.get(keys.consumer(name.decode(errors="replace")))
    answers = pipeline.execute(raise_on_error=False) if unknown or names else []
    texts = {name: text for name, text in zip(unknown, answers, strict=False) if isinstance(text, bytes) and text}
    gone = set(unknown) - texts.keys()
    return Found([each for each in digests if each not in gone], texts, _consumers(answers[len(unknown) :]))


def _or_nothing(answer: Any) -> Any:
    """Return an answer of Redis, or nothing if another program has overwritten the key; raise other errors."""
    if not isinstance(answer, Exception):
        return answer
    if not is_damage(answer):
        raise answer
    return []


def _consumers(heartbeats: Iterable[Any]) -> Counter[str]:
    """Count the living consumers of each task."""
    serving: Counter[str] = Counter()
    for heartbeat in heartbeats:
        with suppress(ValueError, TypeError, AttributeError, RecursionError):
            serving.update(name for name in json.loads(heartbeat).get("tasks", ()) if isinstance(name, str))
    return serving
