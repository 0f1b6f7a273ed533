"""The fixtures of the tasks' tests."""

from tests.support.task_fixtures import session_server, session_tasks, stock_tasks, tasks

__all__ = ["session_server", "session_tasks", "stock_tasks", "tasks"]
