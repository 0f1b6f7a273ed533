"""Tasks of a consumer that attack the page with texts: markup and long words wherever a task can have text."""

from typing import Annotated

from celery import current_task
from pydantic import Field

from project.celery_config.task import shared_task
from project.task_options.retry import ONCE
from tests.support.hostile import HOSTILE, HOSTILE_ID, HOSTILE_TYPE, LONG

HostileError = globals()[HOSTILE_TYPE] = type(HOSTILE_TYPE, (Exception,), {})  # pickle finds it by its name


@shared_task(route="shout", queue=LONG, retry_policy=ONCE)
def shout(text: Annotated[str, Field(description=HOSTILE, examples=[HOSTILE])]) -> str:
    """<img src=x onerror="attacked=1"><script>attacked=1</script>."""
    raise HostileError(text + "w" * 300)


@shared_task(queue=HOSTILE)
def whisper(text: str) -> str:
    """Return the text, by way of a queue that no card may name."""
    return text


@shared_task(route="parent", queue=LONG)
def parent() -> str:
    """Submit a child that succeeds, and one that fails and has a hostile id."""
    whisper.apply_async(kwargs={"text": HOSTILE})
    shout.apply_async(kwargs={"text": HOSTILE}, task_id=f"{HOSTILE_ID}{current_task.request.id}")
    return HOSTILE


@shared_task(route="login", queue=LONG)
def login(
    user: str,
    password: str,
    api_token: str,
    client_secret: str,
    authorization: str,
    keys: list[str],
    more: dict[str, str],
) -> str:
    """Fail without a word about the secret arguments."""
    raise PermissionError(f"{user} may not log in")
