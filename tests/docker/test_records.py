"""Records in the PostgreSQL that comes with the stack."""

import pytest

from tests.support.compose import ComposeStack
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)


def _psql(stack: ComposeStack, role: str, command: str) -> str:
    """Run a command as a role with the password that it has by default; return what it prints, errors too."""
    url = f"postgresql://{role}:{role}@127.0.0.1/glassqueue"
    return stack.execute("postgres", f'psql --tuples-only --no-align {url} --command "{command}" 2>&1 || true').strip()


def test_records_are_rows_in_postgresql(stack: ComposeStack) -> None:
    """Without a single setting; what the API shows is what the table has."""
    with stack.client() as http:
        shown = wait_until(lambda: http.get("/producer/api/records").json()["records"])[-1]
    assert shown["consumer"].startswith("consumer@")
    row = f"SELECT consumer FROM records WHERE job_id = '{shown['job_id']}'"
    assert _psql(stack, "reader", row) == shown["consumer"]


def test_the_roles_of_records_are_least_privileged(stack: ComposeStack) -> None:
    """The owner has made the table, the app cannot drop it, the reader cannot change it."""
    assert _psql(stack, "owner", "SELECT tableowner FROM pg_tables WHERE tablename = 'records'") == "owner"
    assert "must be owner of table records" in _psql(stack, "app", "DROP TABLE records")
    assert "permission denied for table records" in _psql(stack, "reader", "DELETE FROM records")


def test_services_do_not_know_the_password_of_the_owner(stack: ComposeStack) -> None:
    """Only the migration, which has ended, and the consumer that restores backups have the password of the owner."""
    for service in ("producer", "consumer", "scheduler", "flower"):
        assert "owner:" not in stack.execute(service, "env")
