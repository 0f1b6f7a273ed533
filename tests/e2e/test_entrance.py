"""What NGINX serves and what it keeps inside."""

import httpx
import pytest

from tests.support.http import assert_problem


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/producer/docs",
        "/producer/redoc",
        "/producer/openapi.json",
        "/producer/health/live",
        "/producer/health/ready",
        "/dashboard/",
        "/dashboard/workers",
        "/load-test/",
        "/mail/",
    ],
)
def test_every_page_is_served(http: httpx.Client, path: str) -> None:
    """The URL table of the README is true."""
    assert http.get(path).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9999"])
@pytest.mark.parametrize("path", ["/dashboard", "/load-test", "/mail"])
def test_a_missing_slash_is_redirected_on_any_host_and_port(http: httpx.Client, path: str, host: str) -> None:
    """The redirect is relative, so it is right behind any published port."""
    response = http.get(path, headers={"host": host})
    assert response.status_code == 301
    assert response.headers["location"] == f"{path}/"


@pytest.mark.parametrize(
    "path", ["/dashboard/metrics", "/producer/metrics", "/dashboard//metrics", "/producer/./metrics"]
)
def test_metrics_are_closed_to_the_outside(http: httpx.Client, path: str) -> None:
    """Prometheus scrapes the services directly."""
    assert_problem(http.get(path), 404)


def test_the_producer_counts_requests_by_route(http: httpx.Client, producer_url: str) -> None:
    """A label per job id would never end, so the label is the route's pattern."""
    http.get("/producer/api/sum/some-id")
    metrics = httpx.get(f"{producer_url}/producer/metrics").text
    assert 'route="/producer/api/sum/{job_id}",status="404"' in metrics
    assert "some-id" not in metrics


def test_the_page_has_a_strict_content_security_policy(http: httpx.Client) -> None:
    """Nothing from elsewhere, nothing inline."""
    headers = http.get("/").headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"
