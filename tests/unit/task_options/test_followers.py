"""Followers are checked as soon as all tasks are imported."""

import subprocess
import sys
from typing import Any

import pytest
from celery import Celery

from project.celery_config.task import JobTask
from project.task_options.follower_check import check_followers
from project.task_options.followers import Followers


def _app(*links: tuple[Any, dict[str, Any]]) -> Celery:
    """Return an app with tasks of one test only, and with the followers that each declares."""
    app = Celery("declarations", set_as_current=False)
    for function, followers in links:
        app.task(base=JobTask, name=function.__name__, shared=False, followers=Followers(**followers))(function)
    return app


def _first() -> int:
    return 1


def _second(number: float, more: str = "") -> None: ...


def _third(failure: dict[str, Any]) -> None: ...


def _for_text(text: str) -> str:
    return text


def _for_two(one: int, two: int) -> None: ...


def _by_keyword_only(*, one: int) -> None: ...


def test_followers_that_fit_are_accepted() -> None:
    """An int is a float in JSON, an argument with a default may be left out, and an unknown type fits."""
    check_followers(_app((_first, {"run_after": "_second", "on_failure": "_third"}), (_second, {}), (_third, {})))


@pytest.mark.parametrize(
    ("option", "follower", "why"),
    [
        ("run_after", _for_two, "does not take exactly one argument"),
        ("run_after", _by_keyword_only, "does not take exactly one argument"),
        ("run_after", _for_text, "'_for_text' takes str and would get int"),
        ("on_failure", _for_text, "'_for_text' takes str and would get dict"),
    ],
)
def test_a_follower_that_cannot_take_what_it_gets_is_refused(option: str, follower: Any, why: str) -> None:
    """At import, and not only when the first job has ended."""
    with pytest.raises(TypeError, match=f"task '_first' declares {option}='{follower.__name__}', but .*{why}"):
        check_followers(_app((_first, {option: follower.__name__}), (follower, {})))


def test_a_follower_that_does_not_exist_is_refused() -> None:
    """The name is probably misspelt."""
    with pytest.raises(TypeError, match="declares run_after='nobody', but there is no task of that name"):
        check_followers(_app((_first, {"run_after": "nobody"})))


CYCLE = """
from project.celery_config.app import create_celery_app
from project.celery_config.task import shared_task
from project.settings import Settings

@shared_task(run_after="b")
def a(number: int) -> int: ...

@shared_task(on_failure="c")
def b(number: int) -> int: ...

@shared_task(run_after=a)
def c(failure: dict) -> int: ...

create_celery_app(Settings())
"""


def test_a_cycle_of_followers_is_rejected_at_import() -> None:
    """Its jobs would follow one another forever. In a process of its own, because tasks stay registered."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", CYCLE], capture_output=True, text=True, check=False)
    assert "TypeError: run_after and on_failure form a cycle: a -> b -> c -> a" in done.stderr
