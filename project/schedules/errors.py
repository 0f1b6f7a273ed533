"""Errors of schedules."""


class InvalidSchedule(ValueError):
    """A definition is invalid: which of its fields is wrong, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message
