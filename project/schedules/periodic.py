"""The periodic jobs of Celery's option beat_schedule, as schedules; their names are their ids."""

from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import crontab

from project.schedules.rules import Rule, make_rule
from project.schedules.schedule import Definition
from project.schedules.store import Store


def write_periodic_jobs(store: Store, entries: dict[str, dict[str, Any]], names_key: str) -> None:
    """Keep one schedule for each entry; leave alone what has not changed, and delete what is gone."""
    for name in store.client.smembers(names_key) - entries.keys():
        store.delete(name)
        store.client.srem(names_key, name)
    for name, entry in entries.items():
        _write(store, name, entry)
        store.client.sadd(names_key, name)


def _write(store: Store, name: str, entry: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    rule, arguments = _rule(entry["schedule"]), entry.get("kwargs", {})
    old = store.read(name)
    if old and (old.task, old.arguments, old.rule.text) == (entry["task"], arguments, rule.text):
        return
    definition = Definition(
        task=entry["task"], arguments=arguments, description="periodic job", rule=rule, catch_up="none", created_at=now
    )
    following = rule.next_after(now)
    assert following
    store.write(name, definition, following)


def _rule(when: Any) -> Rule:
    """Return the rule for seconds, a timedelta or a crontab."""
    if isinstance(when, crontab):
        fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        return make_rule(cron=" ".join(str(getattr(when, f"_orig_{field}")) for field in fields))
    return make_rule(every=when if isinstance(when, timedelta) else timedelta(seconds=when))
