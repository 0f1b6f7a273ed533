"""A task is declared once; a declaration that cannot work fails at import and says why."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from pydantic import Field, ValidationError

from project.api.task_routes import task_router
from project.celery_config.app import create_celery_app
from project.celery_config.task import JobTask, shared_task
from project.settings import Settings
from project.task_options import declaration
from project.task_options.isolation import Isolation
from project.task_options.retry import ALWAYS, NEVER, ONCE
from project.task_options.signature import arguments_model, result_type, summary
from project.worker import announce

app = create_celery_app(Settings())


@pytest.fixture(autouse=True)
def _forget_tasks() -> Iterator[None]:
    """Remove the tasks of a test from the app, which other tests of this process use."""
    before = set(app.tasks)
    yield
    for name in set(app.tasks) - before:
        app.tasks.unregister(name)


def _task(function: Any, **options: Any) -> JobTask:
    """Return a task that exists only for one test."""
    task: JobTask = app.task(base=JobTask, name=function.__qualname__, shared=False, **options)(function)
    return task


def test_an_option_that_celery_does_not_know_is_refused() -> None:
    """Celery itself would accept `queu=` and do nothing with it."""
    with pytest.raises(TypeError, match="no option 'queu'"):

        @shared_task(queu="cpu")
        def misspelt() -> None: ...


@pytest.mark.parametrize("route", ["/average", "my/average", "", "{x}", "my average", "mean?", ".."])
def test_a_route_that_is_not_one_part_of_an_address_is_refused(route: str) -> None:
    """With the first one, `POST /producer/api/average` would be a 404."""
    with pytest.raises(TypeError, match="a route is a name such as 'average'"):

        @shared_task(route=route)
        def average() -> None: ...


@pytest.mark.parametrize("queue", ["inbox", "taken", "celeryev.1", "", " a", "a,b", "leases:cpu"])
def test_a_queue_whose_key_has_another_purpose_is_refused(queue: str) -> None:
    """Its jobs would be read as something else."""
    with pytest.raises(TypeError, match="is not the name of a queue for jobs"):

        @shared_task(queue=queue)
        def misplaced() -> None: ...


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"soft_time_limit": 10, "time_limit": 5}, "soft_time_limit=10 is longer than time_limit=5"),
        ({"time_limit": "5"}, "a time limit is a positive number of seconds, not '5'"),
        ({"soft_time_limit": 0}, "a time limit is a positive number"),
        ({"priority": 10}, "priority is a whole number from 0"),
        ({"priority": "high"}, "priority is a whole number from 0"),
        ({"rate_limit": "10/min"}, "such as '10/m', not '10/min'"),
        ({"rate_limit": "many"}, "such as '10/m'"),
        ({"rate_limit": "-1/m"}, "such as '10/m'"),
    ],
    ids=str,
)
def test_an_option_with_which_each_job_would_fail_is_refused(options: dict[str, Any], why: str) -> None:
    """Otherwise the first submit is a 500, or consumers do not start."""
    with pytest.raises(TypeError, match=f"impossible: .*{re.escape(why)}"):

        @shared_task(**options)
        def impossible() -> None: ...


@pytest.mark.parametrize(
    "options",
    [
        {"rate_limit": "0.5/h", "priority": 0},
        {"rate_limit": 10, "soft_time_limit": 0.5},
        {"soft_time_limit": 5, "time_limit": 5},
        {"time_limit": None, "rate_limit": None, "priority": None},
    ],
    ids=str,
)
def test_celerys_options_are_accepted(options: dict[str, Any]) -> None:
    """With any value that works."""
    declaration.check_numbers(options)


def test_celerys_retry_options_are_accepted() -> None:
    """Celery reads them from the declaration, though its Task has no such attributes."""

    @shared_task(autoretry_for=(ConnectionError,), retry_backoff=True, retry_jitter=False, max_retries=5)
    def persistent() -> None: ...

    assert app.tasks["persistent"].max_retries == 5


def test_a_retry_policy_is_celerys_autoretry() -> None:
    """The signature that the endpoint is made from survives Celery's wrapper."""

    @shared_task(retry_policy=ALWAYS, final_errors=(ValueError,))
    def stubborn(number: Annotated[int, Field(ge=1)]) -> str:
        return str(number)

    task = app.tasks["stubborn"]
    assert (task.max_retries, task.retry_backoff, task.retry_jitter) == (5, 1, True)
    assert {ValueError, SoftTimeLimitExceeded} < set(task.dont_autoretry_for)
    assert list(arguments_model(task).model_fields) == ["number"]
    assert result_type(task) is str


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"retry_policy": "always"}, "NEVER, ONCE or ALWAYS"),
        ({"retry_policy": ONCE, "autoretry_for": (OSError,)}, "Celery's 'autoretry_for' both say"),
        ({"retry_policy": NEVER, "max_retries": 2}, "Celery's 'max_retries' both say"),
        ({"final_errors": (ValueError,)}, "needs a retry_policy with retries"),
        ({"retry_policy": NEVER, "final_errors": (ValueError,)}, "needs a retry_policy with retries"),
        ({"retry_policy": ALWAYS, "final_errors": ValueError}, "a tuple of exception classes"),
        ({"retry_policy": ALWAYS, "final_errors": ("ValueError",)}, "a tuple of exception classes"),
    ],
)
def test_retries_that_contradict_each_other_are_refused(options: dict[str, Any], why: str) -> None:
    """The message says which task and why."""
    with pytest.raises(TypeError, match=f"contradiction: .*{why}"):

        @shared_task(**options)
        def contradiction() -> None: ...


def test_a_follower_that_is_not_a_task_is_rejected() -> None:
    """A function that is not declared as a task, for example."""
    with pytest.raises(TypeError, match="are a task or the name of one"):
        shared_task(run_after=_untyped)(_variadic)


def test_a_coroutine_keeps_its_signature() -> None:
    """The endpoint is made from what the author wrote."""

    @shared_task()
    async def waiter(number: Annotated[int, Field(ge=1)]) -> str:
        return str(number)

    task = app.tasks["waiter"]
    assert arguments_model(task).model_fields["number"].metadata
    assert result_type(task) is str
    assert task(3) == "3"


def _untyped(untyped):  # type: ignore[no-untyped-def]  # what the test is about
    return untyped


def _variadic(*many: int, **more: int) -> int:
    return len(many) + len(more)


async def _coroutine() -> None: ...


@pytest.mark.parametrize(
    ("function", "options", "why"),
    [
        (_coroutine, {"isolated": True}, "cannot be `async def`"),
        (lambda: None, {"isolated": True}, "must be a function at module level"),
        (_variadic, {"isolated": True, "bind": True}, "cannot have 'bind'"),
        (_variadic, {"isolated": 512}, "isolated is True or Isolation"),
    ],
)
def test_what_cannot_be_isolated_is_refused(function: Any, options: dict[str, Any], why: str) -> None:
    """The body runs in another process, which can only import a plain function of a module."""
    with pytest.raises(TypeError, match=why):
        shared_task(**options)(function)


@pytest.mark.parametrize("limits", [{"memory_mb": 0}, {"seconds": 0}, {"seconds": -1}])
def test_limits_that_leave_nothing_are_refused(limits: dict[str, Any]) -> None:
    """No process could start."""
    with pytest.raises(TypeError, match="needs memory_mb of at least 32 and seconds above 0"):
        Isolation(**limits)


def test_a_name_that_is_taken_is_refused() -> None:
    """Celery itself would silently keep the first task."""
    with pytest.raises(TypeError, match=r"'sum' is already taken by project\.celery_config\.tasks\.demo\.sum_to_n_job"):

        @shared_task(route="sum")
        def another() -> None: ...


def test_the_request_model_is_the_signature() -> None:
    """Types, limits and defaults come from the parameters."""

    def example(number: Annotated[int, Field(ge=1)], word: str = "a") -> list[int]:
        """Do one thing. And more."""
        return [number, len(word)]

    model = arguments_model(_task(example))
    assert model.model_validate({"number": 1}).model_dump() == {"number": 1, "word": "a"}
    for wrong in ({}, {"number": 0}, {"number": "1"}, {"number": 1, "other": 2}):
        with pytest.raises(ValidationError):
            model.model_validate(wrong)


def test_the_result_type_and_summary_come_from_the_function() -> None:
    """The return annotation and the docstring's first line."""

    def example() -> list[int]:
        """Do one thing."""
        return []

    task = _task(example)
    assert result_type(task) == list[int]
    assert summary(task) == "Do one thing"


@pytest.mark.parametrize("function", [_untyped, _variadic])
def test_a_public_parameter_without_a_name_or_type_is_refused(function: Any) -> None:
    """There would be nothing to validate a request against."""
    with pytest.raises(TypeError, match="needs a name and a type"):
        arguments_model(_task(function))


def test_every_queue_that_a_task_names_is_served() -> None:
    """A job must not wait where no consumer looks."""
    assert {queue.name for queue in app.conf.task_queues} == {"cpu", "default", "maintenance", "notifications"}


def test_a_route_that_the_producer_needs_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """GET /producer/api/jobs lists jobs, so no task can have it."""
    task = app.tasks["sum"]
    monkeypatch.setattr(task, "route", "jobs")
    with pytest.raises(TypeError, match="the producer's own address"):
        task_router(task)


def test_a_task_that_cannot_be_described_is_not_announced(caplog: pytest.LogCaptureFixture) -> None:
    """The thread that announces the other tasks goes on."""

    def odd(one: int) -> int:
        return one

    odd.__annotations__["one"] = "Missing"
    assert announce._text(_task(odd, route="odd", queue_name="cpu")) == ""
    assert "odd is not announced: name 'Missing' is not defined" in caplog.text
