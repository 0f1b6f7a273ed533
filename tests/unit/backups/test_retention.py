"""Which backups are kept."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from project.integrations.backups.retention import Keep, kept

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)  # a Saturday
MOMENTS = st.sets(st.integers(0, 90 * 24).map(lambda hours: NOW - timedelta(hours=hours)))
KEEP = st.builds(Keep, st.integers(1, 5), st.integers(0, 9), st.integers(0, 6))


@given(MOMENTS, KEEP)
def test_the_newest_stay_and_no_more_than_was_asked_for(moments: set[datetime], keep: Keep) -> None:
    """Only existing backups are kept, and the newest ones always are."""
    stay = kept(moments, keep)
    assert stay <= moments
    assert set(sorted(moments)[-keep.last :]) <= stay
    assert len(stay) <= keep.last + keep.daily + keep.weekly


@given(MOMENTS, KEEP)
def test_a_deleted_backup_is_never_needed_later(moments: set[datetime], keep: Keep) -> None:
    """A second run deletes nothing more, and a new backup never makes a deleted one worth keeping."""
    stay = kept(moments, keep)
    assert kept(stay, keep) == stay
    later = NOW + timedelta(hours=1)
    assert kept(moments | {later}, keep) == kept(stay | {later}, keep)


def test_a_backup_each_night_leaves_days_then_weeks() -> None:
    """Two months of nights: the last week, and a Sunday of each week before it."""
    nights = [NOW - timedelta(days=number) for number in range(60)]
    stay = kept(nights, Keep(last=2, daily=7, weekly=4))
    assert sorted((NOW - moment).days for moment in stay) == [*range(7), 13, 20]


def test_days_without_a_backup_do_not_count() -> None:
    """After an outage of months the old backups are still there."""
    old = [NOW - timedelta(days=number) for number in range(300, 303)]
    assert kept([NOW, *old], Keep(last=1, daily=4, weekly=0)) == {NOW, *old}
