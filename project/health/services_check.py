"""Check that NGINX, the producer, Flower and Locust answer.

http.client connects directly: it does not use proxies.
"""

import json
from http.client import HTTPConnection, HTTPException

from project.addresses import reachable
from project.check import CHECK_TIMEOUT, Check
from project.settings import Settings

#: The addresses in docker-compose.yml.
CONTAINERS = {"NGINX": ("nginx", 8080), "producer": ("producer", 8000), "Flower": ("flower", 5555)}
CONTAINERS |= {"Locust": ("locust", 8089)}
PATHS = {"NGINX": "/", "producer": "/producer/health/live", "Flower": "/dashboard/healthcheck", "Locust": "/load-test/"}
DEEP = "/producer/health/ready?deep=1"
DEEP_TIMEOUT = 15  # seconds; the producer's checks have 10


def check(name: str, settings: Settings) -> Check:
    """Check that a service answers; a service with port 0 is not started."""
    host, port = _native(settings)[name]
    if not port:
        return Check(name, "off", f"{name.upper()}_PORT is 0: it is not started")
    if settings.in_containers:
        host, port = CONTAINERS[name]
    try:
        status, _ = _get(host, port, PATHS[name], CHECK_TIMEOUT)
    except (OSError, HTTPException) as error:
        found = f"it does not answer at {host}, port {port}: {type(error).__name__}"
        return Check(name, "failed", found, "start the stack, or read the log of this service")
    if status != 200:
        return Check(name, "failed", f"it answers {status}", "read the log of this service")
    return Check(name, "ok", "it answers")


def checks_of_producer(settings: Settings) -> dict[str, Check]:
    """Return the findings of the producer's deep probe, by name; none if the producer does not answer."""
    host, port = CONTAINERS["producer"] if settings.in_containers else _native(settings)["producer"]
    try:
        _, body = _get(host, port, DEEP, DEEP_TIMEOUT)
        return {each["name"]: Check(**each) for each in json.loads(body).get("checks", [])}
    except (OSError, HTTPException, ValueError):
        return {}


def _native(settings: Settings) -> dict[str, tuple[str, int]]:
    return {
        "NGINX": (reachable(settings.http_bind), settings.http_port),
        "producer": ("127.0.0.1", settings.producer_port),
        "Flower": ("127.0.0.1", settings.flower_port),
        "Locust": ("127.0.0.1", settings.locust_port),
    }


def _get(host: str, port: int, path: str, timeout: float) -> tuple[int, bytes]:
    connection = HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "healthcheck"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
