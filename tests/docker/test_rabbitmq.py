"""`docker-compose.rabbitmq.yml` adds RabbitMQ and makes it the broker."""

from collections.abc import Iterator

import httpx
import pytest

from tests.docker.conftest import CANARY, PASSWORD
from tests.support.compose import ComposeStack
from tests.support.http import finished, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def rabbit_stack(project: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """A third stack, with a password in .env."""
    folder = tmp_path_factory.mktemp("rabbitmq")
    dotenv = f"RABBITMQ_PASSWORD='{PASSWORD}'\n"
    stack = ComposeStack(folder, f"{project}-rabbitmq", dotenv, "docker-compose.yml", "docker-compose.rabbitmq.yml")
    try:
        stack.up("--build")
        yield stack
    finally:
        stack.down()


@pytest.fixture
def rabbit_http(rabbit_stack: ComposeStack) -> Iterator[httpx.Client]:
    """A client of that stack."""
    with rabbit_stack.client() as client:
        yield client


def test_jobs_run_now_and_later(rabbit_http: httpx.Client) -> None:
    """The queues are RabbitMQ's."""
    job_id = submit(rabbit_http, "sum", number=10)
    later = rabbit_http.post("/producer/api/sum", params={"countdown": 1}, json={"number": 4}).json()["job_id"]
    assert finished(rabbit_http, "sum", job_id, timeout=60)["result"] == 55
    assert finished(rabbit_http, "sum", later, timeout=60)["result"] == 10


def test_rabbitmq_has_quorum_queues_and_takes_no_guests(rabbit_stack: ComposeStack) -> None:
    """Version 4 lists them; the only user is ours."""
    lines = rabbit_stack.execute("rabbitmq", "rabbitmqctl --quiet list_queues name type").splitlines()
    assert {"cpu\tquorum", "default\tquorum", "dead\tquorum"} <= set(lines)
    users = rabbit_stack.execute("rabbitmq", "rabbitmqctl --quiet list_users")
    assert "guest" not in users


def test_flower_shows_the_queues(rabbit_http: httpx.Client) -> None:
    """It finds the management API without a setting; its page shows no password."""

    def page() -> str:
        return rabbit_http.get("/dashboard/broker").text

    wait_until(lambda: "cpu" in page().split("<tbody", 1)[-1], 60, "Flower shows the queue")
    assert CANARY not in page()
