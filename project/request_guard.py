"""Which requests a browser may send here on behalf of another site: none that change anything.

Every service checks this itself, because a browser reaches the loopback ports of all of them and not only NGINX.
Programs such as curl send neither Origin nor Sec-Fetch-Site and are not affected.
NGINX has the same rules in nginx/includes/request_guard.conf, Locust in locust/request_guard.py.
"""

from collections.abc import Collection
from typing import NamedTuple

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FOREIGN_SITES = frozenset({"cross-site", "same-site"})  # same-site: another port of this host, among others
FOREIGN_PAGE = "A page of another site may not send this request."
UNKNOWN_HOST = "This host name is not served here; add it to HTTP_HOSTS to serve it."


class Refusal(NamedTuple):
    """The status and the reason of a refused request."""

    status: int
    detail: str


def check_request(
    method: str, host: str, origin: str | None, fetch_site: str | None, hosts: Collection[str]
) -> Refusal | None:
    """Return why a request is refused, or None; *hosts* are the names without port that are served.

    421 for another Host: a site can let its own name point to this machine (DNS rebinding).
    403 for a request that changes something and comes from a page of another origin (Fetch Metadata, RFC 6454).
    """
    if host_name(host) not in hosts:
        return Refusal(421, UNKNOWN_HOST)
    if method not in SAFE_METHODS and (fetch_site in FOREIGN_SITES or not _is_own_origin(origin, host)):
        return Refusal(403, FOREIGN_PAGE)
    return None


def host_name(host: str) -> str:
    """Return the name or address of a Host header, without its port; IPv6 addresses keep their brackets."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower().removesuffix(".")


def _is_own_origin(origin: str | None, host: str) -> bool:
    return origin is None or origin.lower().partition("://")[2] == host.lower()
