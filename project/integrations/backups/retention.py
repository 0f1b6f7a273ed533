"""Choose the backups to keep: the last ones, then one per day, then one per week (grandfather-father-son)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Keep:
    """How many backups to keep: the newest ones, the newest per day, and the newest per week (Monday to Sunday).

    Days and weeks without a backup do not count, so that an outage deletes nothing.
    """

    last: int
    daily: int
    weekly: int


def kept(moments: Iterable[datetime], keep: Keep) -> set[datetime]:
    """Return the times to keep: at most last + daily + weekly, and always the newest."""
    newest_first = sorted(moments, reverse=True)
    days = _newest_of_each(newest_first, lambda moment: moment.date())
    weeks = _newest_of_each(newest_first, lambda moment: moment.isocalendar()[:2])
    return {*newest_first[: max(keep.last, 1)], *days[: keep.daily], *weeks[: keep.weekly]}


def _newest_of_each(newest_first: list[datetime], period: Callable[[datetime], Any]) -> list[datetime]:
    newest: dict[Any, datetime] = {}
    for moment in newest_first:
        newest.setdefault(period(moment), moment)
    return list(newest.values())
