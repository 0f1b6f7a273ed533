"""The remote control command that ends one run of one job: `stop_job`."""

from typing import Any

from celery.worker import state
from celery.worker.control import control_command, nok, ok


def connect() -> None:
    """Let consumers understand `stop_job`."""
    control_command(args=[("job_id", str), ("run", str)], signature="<job_id> <run>")(stop_job)


def stop_job(panel: Any, job_id: str, run: str) -> dict[str, str]:
    """End the process of one run of a job: that of this attempt or, without leases, of this nonce.

    Its slot gets a new one. Celery's own `revoke` would remember the id, and refuse the job when it is requeued.
    """
    request = state.requests.get(job_id)
    named = request and (request.request_dict.get("attempt") or request.request_dict.get("nonce"))
    if not named or str(named) != run:
        return nok("not here")
    try:
        request.terminate(panel.consumer.pool)
    except NotImplementedError:  # threads and solo: the run goes on, but whatever it reports is refused
        return nok("this pool cannot stop a job")
    return ok("stopped")
