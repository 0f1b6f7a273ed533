"""The story of a job (its runs, why each ended, where its time went, its relatives), and its raw record in Redis."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from pydantic import ValidationError

from project.errors import UnknownJob
from project.job_models import ENDED, Job
from project.jobs.arguments import redacted_arguments, task_of
from project.leased_transport import keys, messages, records
from project.leased_transport.overwritten import naming
from project.redaction import MASK, redacted
from project.story_models import LoggedRun, Place, RawRecord, Relative, Run, Segment, Story

LONGEST = 16 * 1024  # characters of a field of the raw record
DEEP = 10_000  # entries of a list that are searched for a job
TIME_LIMITS = ("TimeLimitExceeded", "SoftTimeLimitExceeded")
OUTCOMES = {"SUCCESS": "success", "FAILURE": "failure", "REVOKED": "revoked"}
SHOWN_OPTIONS = ("priority", "expires", "time_limit", "soft_time_limit", "retries", "origin", "group_id")


def story(app: Celery, job_id: str, lease: float) -> Story:
    """Return the story of a job; raise UnknownJob. lease: the length of a lease in seconds."""
    client: Any = app.broker.redis
    record = records.read(client, job_id)
    if record is None:
        raise UnknownJob
    message, due, dropped = client.hmget(keys.job(job_id), "message", "due", "runs_dropped")
    job = Job[Any].from_record(job_id, record, traceback=True)
    logged = _logged(record.get("runs", ""))
    runs = [*logged, *_last_run(job, logged)]
    children = job.children
    relatives = _relatives(client, [*([job.parent] if job.parent else []), *children[:50]])
    return Story(
        job=job,
        arguments=redacted_arguments(app, job.task, message),
        options=_options(job, message, due),
        runs=runs,
        runs_dropped=_number(dropped),
        timeline=_timeline(job, runs, [run.lease_until for run in logged], lease),
        parent=relatives[0] if job.parent else None,
        children=relatives[1 if job.parent else 0 :],
        children_total=len(children),
        edited_from=record.get("edited_from"),
        edited_as=record.get("edited_as", "").split(),
    )


def _logged(text: str) -> list[LoggedRun]:
    """Return the runs in the log of a record."""
    found = []
    for line in text.splitlines():
        with suppress(ValidationError):  # any program may have written it
            found.append(LoggedRun.model_validate_json(line))
    return found


def _number(text: bytes | None) -> int:
    """Return a number in a record; 0 if it has none, or a damaged one."""
    with suppress(ValueError, TypeError):
        return int(text or 0)
    return 0


def _last_run(job: Job[Any], logged: list[LoggedRun]) -> list[Run]:
    """Return the run that the fields of the record describe, unless the log has it."""
    begun = job.started_at is not None and job.status not in ("PENDING", "RETRY")
    if not begun or (logged and logged[-1].started_at == job.started_at):
        return []
    outcome = OUTCOMES.get(job.status, "running")
    if job.error and job.status == "FAILURE":
        kind = job.error.type
        outcome = "time_limit" if kind in TIME_LIMITS else "crash" if kind == "WorkerLostError" else outcome
    fields = {"attempt": max(1, job.attempts), "consumer": job.consumer, "started_at": job.started_at}
    return [Run.model_validate(fields | {"ended_at": job.finished_at, "outcome": outcome, "error": job.error})]


def _timeline(job: Job[Any], runs: list[Run], leases: list[float | None], lease: float) -> list[Segment]:
    """Return where the job's time went, in order; the last part has no end while the job waits or runs."""
    parts: list[Segment] = []
    since, lane = job.submitted_at, "waiting"
    for number, run in enumerate(runs):
        if run.started_at > since:
            parts.append(Segment.model_validate({"lane": lane, "start": since, "end": run.started_at, "run": None}))
        end, until = run.ended_at, leases[number] if number < len(leases) else None
        lost = datetime.fromtimestamp(until - lease, UTC) if until and end else None
        if lost and end and lost < end:  # the consumer was silent after its last renewal
            if lost > run.started_at:
                parts.append(Segment(lane="running", start=run.started_at, end=lost, run=run.attempt))
            parts.append(Segment(lane="lost_lease", start=max(lost, run.started_at), end=end, run=run.attempt))
        else:
            parts.append(Segment(lane="running", start=run.started_at, end=end, run=run.attempt))
        since, lane = end or since, "retry_delay" if run.outcome == "retry" else "waiting"
    if job.status not in ENDED and not (runs and runs[-1].ended_at is None):
        parts.append(Segment.model_validate({"lane": lane, "start": since, "end": None, "run": None}))
    if not runs and job.finished_at:
        parts.append(Segment(lane="waiting", start=since, end=job.finished_at, run=None))
    return parts


def _options(job: Job[Any], message: bytes | None, due: bytes | None) -> dict[str, Any]:
    known: dict[str, Any] = {"queue": job.queue, "due_at": None}
    with suppress(ValueError, OverflowError):
        known["due_at"] = datetime.fromtimestamp(float(due), UTC) if due else None
    with suppress(Exception):  # the message is gone or damaged
        _, _, options = messages.call(message or b"")
        known |= {name: options[name] for name in SHOWN_OPTIONS if options.get(name) is not None}
    return {"priority": keys.DEFAULT_PRIORITY} | known


def _relatives(client: Any, job_ids: list[str]) -> list[Relative]:
    pipeline = client.pipeline(transaction=False)
    for job_id in job_ids:
        pipeline.hmget(keys.job(job_id), "task", "status")
    answers = pipeline.execute(raise_on_error=False) if job_ids else []
    # a key that another program has overwritten counts as gone
    pairs = (answer if isinstance(answer, list) else (None, None) for answer in answers)
    values = [[raw and raw.decode(errors="replace") for raw in pair] for pair in pairs]
    return [Relative(job_id=i, task=task, status=status) for i, (task, status) in zip(job_ids, values, strict=True)]


def raw_record(app: Celery, job_id: str) -> RawRecord:
    """Return the record and the message of a job as stored in Redis, without secrets; raise UnknownJob."""
    client: Any = app.broker.redis
    key = keys.job(job_id)
    with naming(key):
        raw, ttl = client.pipeline(transaction=False).hgetall(key).ttl(key).execute()
    if not {b"status", b"task"} <= raw.keys():
        raise UnknownJob
    fields = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in raw.items()}
    message = _message(app, fields["task"], fields.get("message"))
    if "message" in fields:
        fields["message"] = json.dumps(message, ensure_ascii=False)
    fields |= {name: MASK for name in ("fingerprint", "extended") if name in fields}
    places = _places(client, job_id, fields.get("queue", ""), fields.get("broker", ""))
    cut = {name: value if len(value) <= LONGEST else f"{value[:LONGEST]}…" for name, value in fields.items()}
    return RawRecord(key=key, fields=cut, message=message, ttl=ttl if ttl >= 0 else None, places=places)


def _message(app: Celery, name: str, text: str | None) -> Any:
    """Return a stored message as JSON, without secrets; its body, which is a text, is parsed as well."""
    task = task_of(app, name)
    marked = task.marked_secrets() if task else frozenset()
    try:
        parts = json.loads(text or "null")
        if isinstance(parts, list) and len(parts) == 3:
            parts[0], parts[1] = task.redacted_call(parts[0], parts[1]) if task else redacted(parts[:2], marked)
        elif isinstance(parts, list) and len(parts) == 6:
            parts[0] = _body(task, parts[0])
            parts[4] = {key: value for key, value in parts[4].items() if key not in ("argsrepr", "kwargsrepr")}
        return redacted(parts, marked)
    except (ValueError, TypeError, AttributeError):
        return "(a message that cannot be read)"


def _body(task: Any, text: str) -> Any:
    args, kwargs, links = json.loads(text)  # a ValueError if it is encoded in another way
    return [*(task.redacted_call(args, kwargs) if task else redacted([args, kwargs])), links]


def _places(client: Any, job_id: str, queue: str, broker: str) -> list[Place]:
    """Return the keys that have the job's id."""
    sets = [keys.delayed(queue), keys.leases(queue), keys.RECENT]
    lists = keys.waiting(queue) if queue else []
    pipeline = client.pipeline(transaction=False)
    for name in sets:
        pipeline.zscore(name, job_id)
    for name in lists:
        pipeline.lpos(name, job_id, rank=-1, maxlen=DEEP)
    pipeline.sismember(keys.broker(broker), job_id)
    *answers, elsewhere = pipeline.execute(raise_on_error=False)
    found = []
    for name, answer in zip([*sets, *lists], answers, strict=True):
        if isinstance(answer, float):
            found.append(Place(key=name, type="zset", score=answer if answer != float("inf") else None))
        elif isinstance(answer, int):
            found.append(Place(key=name, type="list", index=answer))
    return [*found, Place(key=keys.broker(broker), type="set")] if elsewhere == 1 else found
