"""Choose the proxy for a URL from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY in the environment.

httpx 0.28 fails if NO_PROXY has an entry such as `[::1]` or `fd00::/8`
(https://github.com/encode/httpx/issues/3221), and would use a proxy for services on this machine.
"""

import re
from ipaddress import ip_network
from urllib.request import getproxies

import httpx

from project.addresses import as_address, is_here


def proxy_for(url: str) -> str | None:
    """Return the proxy for a URL; None for this machine and for the hosts in NO_PROXY.

    Raise httpx.InvalidURL for an invalid URL, and httpx.ProxyError, without credentials in its text, for a proxy that
    httpx cannot use.
    """
    wanted, proxies = httpx.URL(url), getproxies()
    host = wanted.host.rstrip(".")
    proxy = proxies.get(wanted.scheme) or proxies.get("all")
    if not proxy or is_here(host) or any(_covers(entry, host) for entry in re.split(r"[,\s]+", proxies.get("no", ""))):
        return None
    return _usable(proxy if "://" in proxy else f"http://{proxy}")


def _usable(proxy: str) -> str:
    try:
        parsed = httpx.URL(proxy)
        usable = parsed.scheme in ("http", "https") and bool(parsed.host)
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise httpx.ProxyError("HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: must be http://host:port or https://host:port")
    return proxy


def _covers(entry: str, host: str) -> bool:
    """Tell whether an entry of NO_PROXY covers a host: `*`, a name with its subdomains, an address, or a network."""
    entry = entry.lower()
    if bare := re.fullmatch(r"\[(.*)\](:\d+)?|([^:]*):\d+", entry):
        entry = bare[1] or bare[3] or ""
    entry = entry.removeprefix("*.").strip(".")
    if not entry or entry == "*":
        return entry == "*"
    if address := as_address(host):
        try:
            return address in ip_network(entry, strict=False)
        except ValueError:
            return False
    return host == entry or host.endswith(f".{entry}")
