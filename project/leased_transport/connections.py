"""Connections of the leased transport to Redis."""

from typing import Any

from redis.exceptions import ResponseError

from .scripts import recoverable


class PatientConnection:
    """Raises a ConnectionError in place of an error of Redis that passes by itself.

    Celery's worker reconnects after a ConnectionError, and exits after any other one, whatever command it had sent:
    kombu's own commands too, such as the PING of a health check, which Redis refuses while its disk is full.
    """

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Return the next reply."""
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as exc:
            raise recoverable(exc) from exc


def patient(connection_class: type) -> type:
    """Return a subclass of one of redis-py's classes of connections."""
    return type(connection_class.__name__, (PatientConnection, connection_class), {})
