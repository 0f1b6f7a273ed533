"""A priority belongs to one of five steps."""

import pytest

from project.leased_transport import keys


@pytest.mark.parametrize(
    ("priority", "step"), [(None, 5), (-1, 0), (0, 0), (2, 0), (3, 3), (4, 3), (5, 5), (8, 6), (9, 9), (255, 9)]
)
def test_a_priority_belongs_to_the_last_step_that_is_not_above_it(priority: int | None, step: int) -> None:
    """One below all steps, which Celery's own transports treat as most urgent, belongs to the first."""
    assert keys.step(priority) == step
