"""A change of a job as it is published in Redis, and messages of other programs on the same channels."""

from project.job_models import EPOCH, Change

CHANGE = Change(job_id="a", task="sum", queue="cpu", status="SUCCESS", at=EPOCH, consumer=None)
#: Nested deeply, a character that cannot be sent, and values of other types.
NOT_CHANGES = (
    "[" * 5000,
    '{"job_id": ' * 5000,
    CHANGE.model_dump_json().replace('"a"', r'"\ud800"'),
    CHANGE.model_dump_json().replace('"a"', "[" * 500 + "]" * 500),
    CHANGE.model_dump_json().replace('"sum"', "5"),
    '{"job_id": "a", "task": "sum", "queue": "cpu", "status": "SUCCESS", "at": NaN, "consumer": null}',
    '{"job_id": "a", "task": "sum", "queue": "cpu", "status": "SUCCESS", "at": 1e400, "consumer": null}',
    CHANGE.model_dump_json().replace("1970-01-01T00:00:00Z", "0001-01-01T00:00:00"),  # no time zone
    '{"status": "STARTED"}',
    "{}",
    "[1]",
    "null",
    "no JSON",
    b"\xff",
)
