"""What the producer counts for Prometheus."""

from collections.abc import Iterator

import httpx
import pytest
from redis import Redis

from tests.support.http import assert_problem
from tests.support.metrics import listed_metrics, offered_metrics
from tests.support.producer import Producer, without_rights


@pytest.fixture
def http(producer: Producer) -> Iterator[httpx.Client]:
    """A client of the producer, without NGINX."""
    with producer.client() as client:
        client.headers["connection"] = "close"  # as NGINX asks: after a 500 uvicorn closes without a word
        yield client


def counted(http: httpx.Client, method: str, route: str, status: str) -> bool:
    """Tell whether one request with these labels was counted."""
    labels = f'method="{method}",route="{route}",status="{status}"'
    return f"glassqueue_http_request_seconds_count{{{labels}}} 1.0\n" in http.get("/producer/metrics").text


def test_an_internal_error_is_counted(http: httpx.Client, redis: Redis) -> None:
    """Whoever watches for 500 sees it; the client gets a problem, and nothing else of it."""
    with without_rights(redis):
        assert_problem(http.get("/producer/api/sum/broken"), 500)
    assert counted(http, "GET", "/producer/api/sum/{job_id}", "500")


def test_unknown_methods_share_one_label(http: httpx.Client) -> None:
    """A label for each method that a client can name would fill the memory."""
    for method in ("MKCALENDAR", "PROPFIND"):
        assert_problem(http.request(method, "/producer/api/tasks"), 405)
    metrics = http.get("/producer/metrics").text
    assert "MKCALENDAR" not in metrics and "PROPFIND" not in metrics
    assert 'count{method="other",route="/producer/api/tasks",status="405"} 2.0' in metrics


def test_the_page_about_metrics_lists_all_that_the_producer_offers(http: httpx.Client) -> None:
    """With their types, and nothing else."""
    http.get("/producer/health/live")
    assert listed_metrics("Metrics of the producer") == offered_metrics(http.get("/producer/metrics").text)
