"""Wait until the stack answers, then say where everything is."""

import socket
import time
from collections.abc import Callable
from functools import partial
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener, getproxies

from project.settings import Settings

DEADLINE = 60  # seconds
DIRECTLY = build_opener(ProxyHandler({}))  # a proxy that the environment names cannot reach this machine

BANNER = """
  Glassqueue is up.

    page        {url}/
    API docs    {url}/producer/docs
    dashboard   {url}/dashboard/
    load test   {url}/load-test/
{mail}
  Try it:

    {curl} -X POST {url}/producer/api/sum -H 'Content-Type: application/json' -d '{{"number": 10}}'

  Ctrl-C stops everything.
"""


def announce(settings: Settings, consumers: list[str]) -> None:
    """Print the addresses as soon as all answer, or what does not answer in time."""
    url = f"http://{settings.http_bind}:{settings.http_port}"
    for old in settings.run_dir.glob("*.alive"):
        old.unlink()
    alive = {name: (settings.run_dir / f"{name}.alive").exists for name in consumers}
    waiting = _probes(settings, url) | alive
    end = time.monotonic() + DEADLINE
    while waiting and time.monotonic() < end:
        waiting = {name: probe for name, probe in waiting.items() if not probe()}
        time.sleep(0.2)
    silent = ", ".join(waiting)
    print(f"glassqueue: no answer after {DEADLINE} s: {silent}" if silent else banner(settings, url), flush=True)


def banner(settings: Settings, url: str) -> str:
    """Return the addresses of what runs; mail that is sent elsewhere is not seen here."""
    # whoever copies the line has the same proxies as we
    curl = "curl --noproxy '*'" if getproxies().keys() & {"http", "all"} else "curl"
    return BANNER.format(url=url, curl=curl, mail="" if settings.smtp_host else f"    mail        {url}/mail/\n")


def _probes(settings: Settings, url: str) -> dict[str, Callable[[], bool]]:
    """Return a probe per service; each asks its service directly, so that NGINX logs no 502 while they start."""
    local = "http://127.0.0.1"
    probes: dict[str, Callable[[], bool]] = {
        "nginx": partial(_answers, f"{url}/"),
        "producer": partial(_answers, f"{local}:{settings.producer_port}/producer/health/ready"),
    }
    if not settings.smtp_host:
        probes["mail"] = partial(_listens, settings.smtp_port)
    if settings.flower_port:
        probes["flower"] = partial(_answers, f"{local}:{settings.flower_port}/dashboard/healthcheck")
    if settings.locust_port:
        probes["locust"] = partial(_answers, f"{local}:{settings.locust_port}/load-test/")
    return probes


def _listens(port: int) -> bool:
    """Say whether somebody takes connections at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    """Say whether a GET is answered with a success."""
    try:
        with DIRECTLY.open(url, timeout=2):
            return True
    except (URLError, OSError):
        return False
