"""A producer with a task whose arguments have hardly any limits."""

from typing import Any

from project.celery_config.task import shared_task
from project.producer import create_app

__all__ = ["create_app"]


@shared_task(route="keep")
def keep(
    text: str = "",
    texts: list[str] | None = None,
    values: list[Any] | None = None,
    table: dict[str, Any] | None = None,
    anything: Any = None,
) -> None:
    """Accept nearly all that JSON can say."""
