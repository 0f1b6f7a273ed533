"""Tasks that only a consumer has: producers learn of them from their cards."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from project.celery_config.task import shared_task
from project.task_options.progress import report_progress


class Item(BaseModel):
    """A part of an order."""

    name: Annotated[str, Field(min_length=1, max_length=20)]
    count: Annotated[int, Field(ge=1)] = 1


@shared_task(route="price", queue="shop")
def price(
    items: Annotated[list[dict[str, int]], Field(max_length=3)],
    currency: Literal["EUR", "USD"] = "EUR",
    rate: float = 1,
) -> str:
    """Add up the prices of an order.

    Each item is a name with its price.
    """
    report_progress(0.5, "half of it")
    return f"{rate * sum(sum(item.values()) for item in items):g} {currency}"


@shared_task(route="pack", queue="shop")
def pack(item: Item) -> int:
    """Pack an item, which is given as an object."""
    return len(str(item))
