"""What the client's command line takes."""

import math
from typing import Any

import pytest

from project.client.options import parse
from project.settings import get_settings


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=10", 10),
        ("a=hello", "hello"),
        ('a="10"', "10"),
        ("a=[1, 2]", [1, 2]),
        ("a=b=c", "b=c"),
        ("a=", ""),
        ("a=null", None),
        ("a=NaN", "NaN"),
        ("a=1e999", "1e999"),
    ],
)
def test_a_value_is_json_if_valid_else_text(word: str, value: Any) -> None:
    """What JSON cannot say is text, also where Python's parser takes it for a number."""
    assert parse(["submit", "sum", word]).arguments == {"a": value}


def test_wait_has_a_value_only_after_an_equals_sign() -> None:
    """So what follows it may be anything, and arguments may stand on both sides."""
    options = parse(["submit", "sum", "a=1", "--wait", "b=2", "--priority", "3"])
    assert (options.task, options.arguments, options.wait, options.priority) == ("sum", {"a": 1, "b": 2}, math.inf, 3)
    assert parse(["get", "--wait", "5"]).job_id == "5"
    assert parse(["get", "5", "--wait=0.5"]).wait == 0.5


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("submit sum 10", "an argument is NAME=VALUE"),
        ("submit sum a=1 a=2", "once for each name"),
        ("requeue", "requeue needs either a job id or --failed"),
        ("requeue 5 --failed", "requeue needs either a job id or --failed"),
        ("list --satus=SUCCESS", "list does not accept --satus=SUCCESS"),
        ("get 5 --wait=long", "invalid seconds value: 'long'"),
        ("get 5 --wait=nan", "invalid seconds value: 'nan'"),
        ("get 5 --retry-for=nan", "invalid seconds value: 'nan'"),
    ],
)
def test_wrong_usage_is_one_line(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, and exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        parse(line.split())
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert error.startswith("glassqueue: ") and says in error


def test_invalid_settings_are_wrong_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 would say that the job has failed."""
    monkeypatch.setenv("HTTP_PORT", "eighty")
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match="2"):
        parse(["tasks"])
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert error.startswith("glassqueue: HTTP_PORT: ")
