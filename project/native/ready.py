"""Wait until the stack answers, and compose the banner with its addresses."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from project.native.part import Part

DEADLINE = 60  # seconds
PATIENCE = 2  # seconds to wait for one response
USER_AGENT = "healthcheck"  # NGINX does not log requests with this name (nginx/includes/log.conf)

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
    """Return the text with the addresses of the services; `/mail/` only if the stack catches mail itself."""
    # a user who copies the line has the same proxies in the environment
    curl = "curl --noproxy '*'" if getproxies().keys() & {"http", "all"} else "curl"
    return BANNER.format(url=url, curl=curl, mail=f"    mail        {url}/mail/\n" if catches_mail else "")


async def all_up(parts: Iterable[Part], failed: set[str], tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Wait until all parts answer, except failed ones; return the names of those that do not answer in time.

    tell: called with the name of each part that answers.
    """
    waiting = {part.name: part.probe for part in parts if part.probe}

    # side by side: a server that is not ready yet answers late, and the others need not wait for it
    async def wait_for(name: str, probe: str) -> None:
        """Wait until one part answers."""
        while name not in failed:
            if await is_up(probe):
                tell(name)
                break
            await asyncio.sleep(0.1)
        del waiting[name]

    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*(wait_for(*each) for each in waiting.items()))
    return list(waiting)


async def is_up(probe: str) -> bool:
    """Tell whether a file exists, a port accepts connections, or a GET succeeds.

    The request goes directly to each part, not through NGINX nor through a proxy.
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
    writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n\r\n".encode())
    status = (await reader.readline()).split()[1:2]
    await reader.read()  # to the end: a server logs an error if the connection closes earlier
    return status == [b"200"]
