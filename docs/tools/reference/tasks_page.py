"""Generate the page of the tasks from `GET /producer/api/tasks`."""

from typing import Any

from docs.tools.reference.schema import fields, in_words

INTRO = """# Tasks

The tasks with a public route, as `GET /producer/api/tasks` lists them. [HTTP](http.md) describes requests and responses,
[Add a task](../how-to/add-a-task.md) how to add one.
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
