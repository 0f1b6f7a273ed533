"""What is wrong with a schedule."""


class InvalidSchedule(ValueError):
    """A schedule that cannot be: which of its fields is wrong, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message
