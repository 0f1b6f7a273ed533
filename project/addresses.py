"""Parse host names and addresses, write them in URLs, and tell which of them are this machine."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # wildcard addresses to bind: the loopback address for clients
DOT_SEGMENTS = (".", "..")  # RFC 3986, 5.2.4: browsers and HTTP clients remove them from the path of a URL


def in_url(host: str) -> str:
    """Return a host as written in a URL, with an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def reachable(bound: str) -> str:
    """Return the address at which a client on this machine reaches a server that listens on a host."""
    return WILDCARDS.get(bound, bound)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a server that listens on a host."""
    return host == "localhost" or bool((address := as_address(host)) and address.is_loopback)


def is_here(host: str) -> bool:
    """Tell whether a host is this machine: one of its own names, or an address that it can listen on."""
    if host in ("localhost", socket.gethostname().lower()) or host.endswith(".localhost"):
        return True
    if not (address := as_address(host)):
        return False
    try:
        with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def as_address(host: str) -> IPv4Address | IPv6Address | None:
    """Parse a host as an address; return None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def checked_host(text: str) -> str:
    """Return a host name in lower case or an address in its usual form; raise ValueError if it is invalid.

    An IPv6 address may have the brackets that it has in URLs.
    """
    host = text.removeprefix("[").removesuffix("]") if text.startswith("[") else text
    address = as_address(host)
    wrong = (":" in host and not isinstance(address, IPv6Address)) or not _has_valid_labels(host)
    if wrong or (text and not host) or re.search(r"""[\s/@?#;{}$"'\\\[\]%*,]""", host):
        raise ValueError("must be a host name or an address, such as 127.0.0.1 or ::1, without a scheme or a port")
    return str(address) if address else host.lower()


def _has_valid_labels(host: str) -> bool:
    """Tell whether the resolver accepts a name: the labels between its dots are not empty, nor longer than 63."""
    try:
        return not host or bool(host.encode("idna"))
    except UnicodeError:
        return False
