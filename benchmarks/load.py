"""Load on an HTTP address: with wrk if it is on PATH, else with a slower client of our own."""

import asyncio
import json
import shutil
import subprocess
import time
from statistics import quantiles
from tempfile import NamedTemporaryFile
from typing import NamedTuple
from urllib.parse import urlsplit

SCRIPT = """
if '{body}' ~= '' then
  wrk.method, wrk.body, wrk.headers["Content-Type"] = 'POST', '{body}', 'application/json'
end
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function init() failed = 0 end
function response(status) if status >= 300 then failed = failed + 1 end end
function done(summary, latency)
  local failures = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(threads) do failures = failures + thread:get("failed") end
  io.write(string.format('\\n{{"requests": %d, "rate": %f, "p50": %f, "p99": %f, "failures": %d}}\\n', summary.requests,
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failures))
end
"""


class Load(NamedTuple):
    """Requests, how many per second, and the times in ms within which 50 and 99 % were answered."""

    requests: int
    rate: float
    p50: float
    p99: float
    failures: int


def load(url: str, body: str = "", connections: int = 16, seconds: int = 3) -> Load:
    """POST the body again and again on some connections, or GET without a body; raise if a request fails."""
    measured = (_wrk if shutil.which("wrk") else own_client)(url, body, connections, seconds)
    assert not measured.failures, f"{url}: {measured}"
    return measured


def _wrk(url: str, body: str, connections: int, seconds: int) -> Load:
    with NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.format(body=body))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=10s", "-s", script.name, url]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
    return Load(**json.loads(run.stdout.strip().splitlines()[-1]))


def own_client(url: str, body: str, connections: int, seconds: int) -> Load:
    """Do what load() does without wrk: at most about 2,000 requests per second."""
    return asyncio.run(_load(url, body, connections, seconds))


async def _load(url: str, body: str, connections: int, seconds: int) -> Load:
    address, end = urlsplit(url), time.perf_counter() + seconds
    head = f"{'POST' if body else 'GET'} {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n" if body else "\r\n"
    times: list[float] = []
    clients = (_client(address.port or 80, (head + body).encode(), end, times) for _ in range(connections))
    failures = sum(await asyncio.gather(*clients))
    cuts = quantiles(times, n=100)
    return Load(len(times), len(times) / seconds, cuts[49], cuts[98], failures)


async def _client(port: int, request: bytes, end: float, times: list[float]) -> int:
    """Send a request as often as possible on one connection at a time; add the times in ms, and return the failures."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    failures = 0
    while (begun := time.perf_counter()) < end:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        failures += not head.split(maxsplit=2)[1].startswith(b"2")
        times.append(1000 * (time.perf_counter() - begun))
        if b"\r\nconnection: close\r\n" in head:  # NGINX closes a connection after 1,000 requests
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return failures
