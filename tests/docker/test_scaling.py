"""`--scale` up and down under traffic: NGINX follows, consumers share, and no client notices."""

import re
from collections import Counter

import httpx
import pytest

from tests.support.compose import ComposeStack
from tests.support.http import finished, submit
from tests.support.traffic import Traffic
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)


def test_scaling_up_and_down_fails_no_request(
    stack: ComposeStack, http: httpx.Client, figures: dict[str, object]
) -> None:
    """Producers 1, 3, 1 and consumers 1, 4, 1: every request is answered and every accepted job done right."""
    with Traffic(stack.url) as traffic:
        traffic.goes_on()
        figures["seconds to scale up"] = round(stack.scale(producer=3, consumer=4))
        wait_until(lambda: stack.addresses("producer") <= _asked(stack), 60, "NGINX asks all three producers")
        shares = _shares(http)
        figures["40 jobs on 4 consumers"] = sorted(shares.values())
        traffic.goes_on()
        figures["seconds to scale down"] = round(stack.scale(producer=1, consumer=1))
        traffic.goes_on()
    figures["requests"], figures["jobs"] = traffic.requests, len(traffic.jobs)
    assert traffic.failures == []
    assert len(shares) == 4
    assert min(shares.values()) >= 2
    assert len(stack.containers("producer")) == len(stack.containers("consumer")) == 1


def test_a_removed_producer_gets_no_more_requests(stack: ComposeStack, http: httpx.Client) -> None:
    """NGINX learns from Docker's name server within 2 s which producers remain."""
    stack.scale(producer=2)
    both = stack.addresses("producer")
    wait_until(lambda: http.get("/producer/health/live") and both <= _asked(stack), 60, "NGINX asks both")
    stack.scale(producer=1)
    (left,) = stack.addresses("producer")
    wait_until(lambda: _last_asked(stack, http) == {left}, 60, "NGINX asks only the one that is left")


def _shares(http: httpx.Client) -> Counter[str]:
    """Submit 40 equal jobs and return how many of them each consumer has done."""
    jobs = [submit(http, "wait_and_return", seconds=0.5) for _ in range(40)]
    return Counter(finished(http, "wait_and_return", job_id, timeout=60)["consumer"] for job_id in jobs)


def _asked(stack: ComposeStack) -> set[str]:
    """Return the addresses of the producers that NGINX has asked so far, by its log."""
    return _producers(stack.compose("logs", "--no-log-prefix", "nginx"))


def _last_asked(stack: ComposeStack, http: httpx.Client) -> set[str]:
    """Return the addresses that NGINX asks for ten requests made now."""
    for _ in range(10):
        http.get("/producer/health/live")
    return _producers(stack.compose("logs", "--no-log-prefix", "--tail=10", "nginx"))


def _producers(log: str) -> set[str]:
    return set(re.findall(r"[=,: ] ?(\d+\.\d+\.\d+\.\d+):8000", log))
