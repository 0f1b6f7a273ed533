"""The fixtures of the tasks' tests."""

from tests.support.task_fixtures import make_tasks, tasks

__all__ = ["make_tasks", "tasks"]
