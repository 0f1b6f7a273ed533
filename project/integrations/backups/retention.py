"""Which backups are kept: the last ones, then one a day, then one a week (grandfather, father, son)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Keep:
    """How many are kept: the newest ones, the newest of each of so many days, and of so many weeks (Monday to Sunday).

    Days and weeks without a backup do not count, so that an outage deletes nothing.
    """

    last: int
    daily: int
    weekly: int


def kept(moments: Iterable[datetime], keep: Keep) -> set[datetime]:
    """Return the moments to keep: the newest always, and at most last + daily + weekly."""
    newest_first = sorted(moments, reverse=True)
    days = _newest_of_each(newest_first, lambda moment: moment.date())
    weeks = _newest_of_each(newest_first, lambda moment: moment.isocalendar()[:2])
    return {*newest_first[: max(keep.last, 1)], *days[: keep.daily], *weeks[: keep.weekly]}


def _newest_of_each(newest_first: list[datetime], period: Callable[[datetime], Any]) -> list[datetime]:
    newest: dict[Any, datetime] = {}
    for moment in newest_first:
        newest.setdefault(period(moment), moment)
    return list(newest.values())
