"""Make the card of a task from its declaration."""

import hashlib
import inspect
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from project.cards.card import Card, CardOptions
from project.task_options.signature import arguments_model, result_type, summary


def card_of(task: Any) -> Card:
    """Return the card of a task with a route; raise pydantic's ValidationError if it cannot be announced."""
    options = {name: getattr(task, name) for name in CardOptions.model_fields}
    return Card(
        name=task.name,
        route=task.route,
        queue=task.queue_name,
        summary=summary(task),
        description=inspect.getdoc(task.run) or "",
        arguments=arguments_model(task).model_json_schema(),
        result=TypeAdapter(result_type(task)).json_schema(),
        options=CardOptions(**options),
        version=code_version(task.run.__module__),
    )


@cache
def code_version(module: str) -> str:
    """Return a text that sorts by age and differs with the code: when a module's folder changed last, and its hash.

    For a module outside any package, only its own file counts.
    """
    loaded = sys.modules[module]
    file = Path(loaded.__file__ or "")
    files = sorted(file.parent.glob("*.py")) if loaded.__package__ else [file]
    content, changed = hashlib.sha256(), 0.0
    for each in files:
        content.update(each.read_bytes())
        changed = max(changed, each.stat().st_mtime)
    return f"{datetime.fromtimestamp(int(changed), UTC):%Y-%m-%dT%H:%M:%SZ}-{content.hexdigest()[:8]}"
