"""Check declarations when their module is imported, instead of failing at the first job."""

import inspect
import re
from collections.abc import Callable
from typing import Any

from celery import Task
from celery.local import Proxy
from celery.utils.time import rate

from project.startup import declared_at
from project.task_options.isolation import Isolation
from project.task_options.retry import RetryPolicy

#: A route, which is a part of an address, and what else cards name.
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
#: Keys in Redis, and queues in RabbitMQ, that have another purpose.
NOT_QUEUES = frozenset({"cards", "consumers", "dead", "inbox", "jobs", "producers", "taken"})
NOT_QUEUES_BEGIN = ("_kombu", "amq.", "celery-task-meta-", "celeryev", "unacked", "reply.")

_declared: dict[str, str] = {}

# Celery reads these from the declaration, although its Task has no attributes of these names (celery/app/autoretry.py)
_RETRY_OPTIONS = {"autoretry_for", "dont_autoretry_for", "retry_kwargs"}
_RETRY_OPTIONS |= {"retry_backoff", "retry_backoff_max", "retry_jitter"}


def check_options(options: dict[str, Any]) -> None:
    """Reject an option that Celery would silently ignore."""
    for option in options:
        if not hasattr(Task, option) and option not in _RETRY_OPTIONS:
            raise TypeError(f"@shared_task has no option {option!r}. Is it misspelt?")


def check_numbers(options: dict[str, Any]) -> None:
    """Reject limits, priorities and rates with which each submit or each consumer would fail."""
    limits = [options.get(name) for name in ("soft_time_limit", "time_limit")]
    for limit in limits:
        if limit is not None and not (_is_number(limit) and limit > 0):
            raise TypeError(f"a time limit is a positive number of seconds, not {limit!r}")
    soft, hard = limits
    if soft and hard and soft > hard:
        raise TypeError(f"soft_time_limit={soft!r} is longer than time_limit={hard!r}")
    priority = options.get("priority")
    if priority is not None and not (isinstance(priority, int) and 0 <= priority <= 9):
        raise TypeError(f"priority is a whole number from 0 (most urgent) to 9, not {priority!r}")
    _check_rate(options.get("rate_limit"))


def _check_rate(limit: Any) -> None:
    try:
        valid = rate(limit) >= 0
    except (KeyError, TypeError, ValueError):
        valid = False
    if not valid:
        raise TypeError(f"rate_limit is a number of jobs per second, minute or hour, such as '10/m', not {limit!r}")


def check_retries(policy: RetryPolicy | None, final_errors: Any, options: dict[str, Any]) -> None:
    """Reject a retry policy combined with Celery's retry options, and final errors without retries."""
    if policy is not None and not isinstance(policy, RetryPolicy):
        raise TypeError(f"retry_policy is NEVER, ONCE or ALWAYS of project.task_options.retry, not {policy!r}")
    both = sorted(options.keys() & (_RETRY_OPTIONS | {"max_retries"}))
    if policy is not None and both:
        raise TypeError(f"retry_policy and Celery's {both[0]!r} both say when to retry; choose one")
    if not isinstance(final_errors, tuple) or not all(_is_error(error) for error in final_errors):
        raise TypeError(f"final_errors is a tuple of exception classes, not {final_errors!r}")
    if final_errors and not (policy and policy.max_retries):
        raise TypeError("final_errors needs a retry_policy with retries: without one, every error is final")


def check_follower(*tasks: Any) -> None:
    """Reject a value that cannot be a task; follower_check.py looks for the task when all are imported."""
    for task in tasks:
        # Proxy first: any other use of a Proxy looks its task up, and creates an app for that
        if task is not None and not isinstance(task, Proxy | str | Task):
            raise TypeError(f"run_after and on_failure are a task or the name of one, not {task!r}")


def check_isolation(function: Callable[..., Any], isolated: bool | Isolation, options: dict[str, Any]) -> None:
    """Reject a task that its own process could not find or run."""
    if not isinstance(isolated, bool | Isolation):
        raise TypeError(f"isolated is True or Isolation(memory_mb=…, seconds=…), not {isolated!r}")
    if not isolated:
        return
    if inspect.iscoroutinefunction(function):
        raise TypeError("an isolated task cannot be `async def`: it runs alone in its process")
    if not function.__qualname__.isidentifier():
        raise TypeError("an isolated task must be a function at module level: its process finds it by that name")
    for option in options.keys() & {"bind", "pydantic"}:
        raise TypeError(f"an isolated task cannot have {option!r}: its value would not reach the other process")


def check_address(route: str | None, queue: str) -> None:
    """Reject a route that is not one part of an address, and a queue whose key has another purpose."""
    if route is not None and not re.fullmatch(NAME, route):
        raise TypeError(f"a route is a name such as 'average', of letters, digits, _, . and -, not {route!r}")
    if not isinstance(queue, str) or not is_queue(queue):
        raise TypeError(f"{queue!r} is not the name of a queue for jobs; choose another one, such as 'cpu'")


def is_queue(name: str) -> bool:
    """Tell whether a queue of jobs can have a name: commas separate names in CONSUMER_QUEUES, colons parts of keys."""
    taken = name in NOT_QUEUES or name.startswith(NOT_QUEUES_BEGIN) or "pidbox" in name
    return bool(name) and name == name.strip() and not taken and not {",", ":"} & set(name)


def check_name(name: str, function: Callable[..., Any]) -> None:
    """Reject a name that another task has already; remember it otherwise."""
    file, line, _ = declared_at(function)
    place = f"{where(function)} ({file}, line {line})"
    if _declared.setdefault(name, place) != place:
        raise TypeError(f"the name {name!r} is already taken by {_declared[name]}; choose another route")


def where(function: Callable[..., Any]) -> str:
    """Return the full name of a function, for messages."""
    return f"{function.__module__}.{function.__qualname__}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)
