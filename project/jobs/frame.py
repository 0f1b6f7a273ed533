"""Put an overview into one frame of bounded size: long lists are cut, and each says how long it was."""

import json
from collections.abc import Callable
from typing import Any

LARGEST = 8192  # bytes of a frame, with what SSE adds to it
LONGEST = 128  # characters of a text: as long as the id of a job may be
#: How many queues, consumers, busy slots, changes, producers and sets of queues a frame shows: the first row that fits.
LIMITS = ((24, 16, 40, 20, 8, 8), (16, 10, 24, 16, 4, 4), (8, 6, 12, 10, 2, 2), (4, 3, 4, 5, 1, 1), (1, 1, 1, 0, 0, 0))
Snapshot = dict[str, Any]


def encode(snapshot: Snapshot) -> bytes:
    """Return an overview as a server-sent event of at most LARGEST bytes."""
    event_id = round(snapshot["at"] * 1000)
    for limits in (*LIMITS, (0,) * 6):
        text = json.dumps(_cut(snapshot, *limits), separators=(",", ":"))
        event = f"event: overview\nid: {event_id}\ndata: {text}\n\n".encode()
        if len(event) <= LARGEST:
            break
    return event


def _cut(snapshot: Snapshot, queues: int, consumers: int, busy: int, changes: int, producers: int, sets: int) -> Any:
    cut = snapshot | {
        "queues": _most(snapshot["queues"], queues, lambda each: each["waiting"] + each["running"]),
        "consumers": _consumers(snapshot["consumers"], consumers, busy),
        "producers": snapshot["producers"][:producers],
        "theory": snapshot["theory"][:sets],
        "changes": _changes(snapshot["changes"], changes),
    }
    return _shortened(cut)


def _most(entries: list[Any], number: int, weight: Callable[[Any], float]) -> list[Any]:
    """Return the entries that weigh most, in their order."""
    chosen = sorted(range(len(entries)), key=lambda i: weight(entries[i]), reverse=True)[:number]
    return [entries[i] for i in sorted(chosen)]


def _consumers(consumers: list[Any], number: int, busy: int) -> list[Any]:
    chosen = _most(consumers, number, lambda each: each["busy_total"])
    share = max(1, busy // len(chosen)) if chosen else 0
    return [each | {"busy": each["busy"][:share]} for each in chosen]


def _changes(changes: dict[str, Any], number: int) -> dict[str, Any]:
    """Return every n-th of the changes."""
    jobs = changes["jobs"]
    step = -(-len(jobs) // number) if number else len(jobs) + 1
    shown = jobs[step - 1 :: step] if jobs else []
    return {"total": max(changes["total"], len(jobs)), "shown": len(shown), "jobs": shown}


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
    if isinstance(value, dict):
        return {name: each if name == "sentence" else _shortened(each) for name, each in value.items()}
    return [_shortened(each) for each in value] if isinstance(value, list) else value
