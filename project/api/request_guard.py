"""Refuse state-changing requests that a browser sends on behalf of another site (CSRF), and unknown host names.

Every service checks this itself, because a browser can reach all loopback ports, not only NGINX. Programs such as
curl send neither Origin nor Sec-Fetch-Site and are not affected. NGINX has the same rules in
nginx/includes/request_guard.conf, Locust in locust/request_guard.py.
"""

from collections.abc import Collection
from typing import NamedTuple

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES = frozenset({"", "same-origin", "none"})  # not same-site: that is another port of this host, among others
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# A page that another site shows in a frame sends requests of its own origin (clickjacking)
NO_FRAMES = "frame-ancestors 'self'"
FOREIGN_PAGE = "A page of another site may not send this request."
UNKNOWN_HOST = "This host name is not served here; add it to HTTP_HOSTS to serve it."


class Refusal(NamedTuple):
    """The status and the reason of a refused request."""

    status: int
    detail: str


def check_request(
    method: str, host: str, origin: str | None, fetch_site: str | None, hosts: Collection[str]
) -> Refusal | None:
    """Return the refusal of a request, or None; *hosts* are the served host names, without ports.

    421 for another Host, because a site can point its own name at this machine (DNS rebinding).
    403 for a state-changing request from a page of another origin (Fetch Metadata, RFC 6454).
    """
    if host_name(host) not in hosts:
        return Refusal(421, UNKNOWN_HOST)
    own_site = (fetch_site or "").lower() in OWN_SITES
    if method not in SAFE_METHODS and not (own_site and _is_own_origin(origin, host)):
        return Refusal(403, FOREIGN_PAGE)
    return None


def host_name(host: str) -> str:
    """Return the name or address of a Host header, without its port; IPv6 addresses keep their brackets."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower().removesuffix(".")


def _is_own_origin(origin: str | None, host: str) -> bool:
    """Compare an Origin with a Host header; either may leave out the default port."""
    if origin is None:
        return True
    scheme, _, authority = origin.lower().partition("://")
    port = DEFAULT_PORTS.get(scheme)
    return port is not None and authority.removesuffix(port) == host.lower().removesuffix(port)
