"""Wait until the stack answers; say where everything is."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from project.native.part import Part

DEADLINE = 60  # seconds
PATIENCE = 2  # seconds that one answer may take

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


def banner(url: str, *, catches_mail: bool) -> str:
    """Return the addresses of what runs; mail that is sent elsewhere is not shown here."""
    # a user who copies the line has the same proxies in the environment
    curl = "curl --noproxy '*'" if getproxies().keys() & {"http", "all"} else "curl"
    return BANNER.format(url=url, curl=curl, mail=f"    mail        {url}/mail/\n" if catches_mail else "")


async def all_up(parts: Iterable[Part], failed: set[str]) -> list[str]:
    """Wait until all parts answer, but for those that have failed; return the names of those that still do not."""
    waiting = {part.name: part.probe for part in parts if part.probe}
    end = asyncio.get_running_loop().time() + DEADLINE
    while True:
        waiting = {name: probe for name, probe in waiting.items() if name not in failed and not await is_up(probe)}
        if not waiting or asyncio.get_running_loop().time() > end:
            return list(waiting)
        await asyncio.sleep(0.1)


async def is_up(probe: str) -> bool:
    """Tell whether a file exists, a port takes connections, or a GET is answered with a success.

    Each part is asked directly, so that NGINX logs no 502 while they start, and no proxy is asked.
    """
    if probe.startswith("/"):
        return Path(probe).exists()
    url = urlsplit(probe)
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            try:
                return url.scheme == "tcp" or await _succeeds(reader, writer, url.netloc, url.path)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _succeeds(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str) -> bool:
    writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    status = (await reader.readline()).split()[1:2]
    await reader.read()  # to the end: a server logs a connection that is closed earlier
    return status == [b"200"]
