"""The page of the tasks: what `GET /producer/api/tasks` says."""

from typing import Any

from docs.tools.reference.schema import fields, in_words

INTRO = """# Tasks

What clients can submit jobs for, as `GET /producer/api/tasks` lists it. How requests and answers look:
[HTTP](http.md). How to add one: [Add a task](../how-to/add-a-task.md).
"""


def tasks_page(catalogue: list[dict[str, Any]]) -> str:
    """Return the page."""
    return INTRO + "".join(_task(task) for task in catalogue)


def _task(task: dict[str, Any]) -> str:
    return (
        f"\n## {task['task']}\n\n{task['summary']}.\n\n"
        f"`POST {task['submit']}` · queue `{task['queue']}` · result: {in_words(task['result'])}\n\n"
        f"{fields(task['arguments'])}"
    )
