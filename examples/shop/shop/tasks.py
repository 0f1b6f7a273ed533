"""The tasks of the shop; both have a queue of their own."""

from typing import Annotated

import segno
from pydantic import Field

from project.celery_config.task import shared_task

VAT = 20  # percent


@shared_task(route="quote", queue="shop")
def quote(
    cents: Annotated[list[int], Field(min_length=1, max_length=100, examples=[[250, 1200]])],
    discount: Annotated[int, Field(ge=0, le=50)] = 0,
) -> int:
    """Add up the prices of an order, in cents, with discount and VAT (both in percent)."""
    return round(sum(cents) * (100 - discount) / 100 * (100 + VAT) / 100)


@shared_task(route="label", queue="shop")
def label(parcel: Annotated[str, Field(min_length=1, max_length=100, examples=["parcel-17"])]) -> str:
    """Draw the QR code of a parcel as SVG."""
    return segno.make(parcel).svg_inline()
