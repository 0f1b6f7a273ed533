"""The remote control command `stop_job`, which stops one run of a job."""

from typing import Any

from celery.worker import state
from celery.worker.control import control_command, nok, ok

from project.leased_transport.forked import TaskPool


def connect() -> None:
    """Register `stop_job` with consumers."""
    control_command(args=[("job_id", str), ("run", str)], signature="<job_id> <run>")(stop_job)


def stop_job(panel: Any, job_id: str, run: str) -> dict[str, str]:
    """Kill the process that runs a job, if it runs this attempt or, without leases, the message with this nonce.

    The pool starts a new process. Celery's own `revoke` would remember the id, and refuse the job when it is requeued.
    """
    pool = panel.consumer.pool
    if isinstance(pool, TaskPool):
        return ok("stopped") if pool.stop_run(job_id, run) else nok("not here")
    request = state.requests.get(job_id)
    current = request and (request.request_dict.get("attempt") or request.request_dict.get("nonce"))
    if not current or str(current) != run:
        return nok("not here")
    try:
        request.terminate(pool)
    except NotImplementedError:  # threads and solo: the run goes on, but its result is refused
        return nok("this pool cannot stop a job")
    return ok("stopped")
