"""Secret arguments are hidden by name and by mark, and nothing else is."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr

from project.redaction import MASK, is_secret, redacted, restored
from project.task_options.secret import SECRET, marked, with_secrets
from project.task_options.signature import arguments_model


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "smtp_password",
        "userPassword",
        "token",
        "access-token",
        "tokens",
        "apiKey",
        "APIKey",
        "key",
        "key2",
        "x.secret",
        "client_secret",
        "Authorization",
        "HTTPAuthorization",
        "proxy_authorization",
    ],
)
def test_names_with_a_secret_word_are_secret(name: str) -> None:
    """Whatever separates the words."""
    assert is_secret(name)
    assert redacted({name: "x"}) == {name: MASK}


@pytest.mark.parametrize(
    "name", ["monkey", "keyboard", "tokenizer", "secretary", "passwordless", "number", "", "author"]
)
def test_other_names_are_not(name: str) -> None:
    """A longer word that contains such a word is no secret."""
    assert not is_secret(name)


def test_secrets_are_hidden_at_any_depth_whatever_their_type() -> None:
    """None stays, as it tells nothing; very deep values are left out."""
    value: Any = {"a": [{"password": {"b": 1}, "c": [1, None]}], "token": None, "keys": ["x"]}
    assert redacted(value) == {"a": [{"password": MASK, "c": [1, None]}], "token": None, "keys": MASK}
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    assert "…" in str(redacted(deep))


def test_edited_arguments_keep_the_secrets_that_were_not_edited() -> None:
    """Where the mask still stands, the old value comes back."""
    old = {"a": [{"password": "p"}], "token": "t", "n": 1}
    edited = {"a": [{"password": MASK}], "token": "new", "n": 2, "key": MASK}
    assert restored(edited, old) == {"a": [{"password": "p"}], "token": "new", "n": 2, "key": MASK}


class _Login(BaseModel):
    """A model with a marked field."""

    user: str
    pin: Annotated[int, SECRET]


def _task(code: SecretStr, login: _Login, hint: Annotated[str, SECRET] = "", number: int = 1) -> str:
    """Reveal what the task got."""
    return f"{code.get_secret_value()} {login.pin} {hint} {number}"


def test_a_signature_marks_secrets_also_in_its_models() -> None:
    """By type or by mark."""
    assert marked(_task) == {"code", "pin", "hint"}
    value = {"code": "c", "login": {"user": "u", "pin": 1}, "hint": "h", "number": 2}
    shown = {"code": MASK, "login": {"user": "u", "pin": MASK}, "hint": MASK, "number": 2}
    assert redacted(value, marked(_task)) == shown


def test_a_job_gets_the_true_value_of_a_secret() -> None:
    """In its message as text, in its body as the type that it declares."""

    class _Declared:
        """What arguments_model needs of a task."""

        name = "secretive"

        @staticmethod
        def run(code: SecretStr, codes: list[SecretStr]) -> None:
            """Take secrets."""

    model = arguments_model(_Declared())
    assert model.model_validate({"code": "c", "codes": ["d"]}).model_dump(mode="json") == {"code": "c", "codes": ["d"]}
    assert with_secrets(_task)("c", login=_Login(user="u", pin=7)) == "c 7  1"
