"""Each health check fails when its service does, and recovers."""

from collections.abc import Iterator

import pytest

from tests.support.compose import SERVICES, ComposeStack
from tests.support.http import finished, submit

pytestmark = pytest.mark.timeout(900)
OTHERS = [service for service in SERVICES if service != "redis"]


@pytest.fixture
def _all_well_again(stack: ComposeStack) -> Iterator[None]:
    """Whatever a test froze goes on, so that the next test finds the stack as it was."""
    yield
    stack.thaw(*SERVICES)
    stack.wait_for_health("healthy", *SERVICES)


@pytest.mark.usefixtures("_all_well_again")
def test_a_frozen_service_is_unhealthy(stack: ComposeStack, figures: dict[str, object]) -> None:
    """All services except Redis are frozen together; Redis stays healthy."""
    stack.freeze(*OTHERS)
    figures["seconds until six frozen services are unhealthy"] = round(stack.wait_for_health("unhealthy", *OTHERS))
    assert stack.health()["redis"] == "healthy"
    stack.thaw(*OTHERS)
    figures["seconds until they are healthy again"] = round(stack.wait_for_health("healthy", *OTHERS))


@pytest.mark.usefixtures("_all_well_again")
def test_without_redis_producer_and_consumer_are_unhealthy_and_recover(
    stack: ComposeStack, figures: dict[str, object]
) -> None:
    """They run but cannot work; when Redis is back, they recover without a restart."""
    stack.freeze("redis")
    waited = stack.wait_for_health("unhealthy", "redis", "producer", "consumer")
    figures["seconds until Redis, producer and consumer are unhealthy"] = round(waited)
    health = stack.health()
    assert (health["nginx"], health["locust"]) == ("healthy", "healthy")
    stack.thaw("redis")
    stack.wait_for_health("healthy", *SERVICES)
    with stack.client() as http:
        assert finished(http, "sum", submit(http, "sum", number=10), timeout=60)["result"] == 55
    assert {container["RestartCount"] for container in stack.containers()} == {0}
