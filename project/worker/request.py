"""A job on its way through a consumer: Celery's Request, which acknowledges its message when the job has ended."""

from typing import Any

from celery.worker.request import Request
from kombu.utils.encoding import safe_repr


class JobRequest(Request):
    """Selected by project/celery_config/task.py."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """End a job that failed with MemoryError as any other.

        Celery raises the error here; with threads, nothing then frees the slot of the job.
        """
        try:
            super().on_failure(exc_info, send_failed_event, return_ok)
        except MemoryError as error:
            if not return_ok:  # otherwise the failure is stored already
                self.task.backend.mark_as_failure(self.id, error, request=self._context, store_result=self.store_errors)
            self.acknowledge()
            if send_failed_event:
                self.send_event("task-failed", exception=safe_repr(error), traceback=exc_info.traceback)
