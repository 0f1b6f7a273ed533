"""The checks of labs: named numbers in output, and relations between them."""

import pytest

from docs.tools.labs.checks import check, numbers


def test_numbers_have_the_names_that_the_output_gives_them() -> None:
    """Lines such as `name: number`, and numbers in JSON; the last one counts."""
    assert numbers("next_start: 2.8\nx_took: 1e-05 s\nstatus: fine") == {"next_start": 2.8, "x_took": 1e-05}
    assert numbers('{"attempts":2,"job_id":"7"}\n{"attempts": 3}') == {"attempts": 3}


def test_a_relation_that_holds_is_shown_with_its_numbers() -> None:
    """With calculations; a comment is for the reader."""
    shown = check("a <= LEASE * 4/3 + 5   # the lease\n\n2 < a < 4", {"a": 3, "LEASE": 6})
    assert shown == ["a (3) <= LEASE (6) * 4/3 + 5", "2 < a (3) < 4"]


@pytest.mark.parametrize("line", ["a > 3", "a == 2 * a", "1 < a < 3"])
def test_a_relation_that_does_not_hold_fails(line: str) -> None:
    """The message has the numbers."""
    with pytest.raises(AssertionError, match=r"does not hold: .*a \(3\)"):
        check(line, {"a": 3})


@pytest.mark.parametrize(("line", "error"), [("a", ValueError), ("f(a) > 1", ValueError), ("b > 1", KeyError)])
def test_a_check_must_compare_known_numbers(line: str, error: type[Exception]) -> None:
    """A misspelt check never passes, and it runs no code."""
    with pytest.raises(error):
        check(line, {"a": 3})
