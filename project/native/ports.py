"""Check that the ports of the stack are free."""

import errno
import socket
import sys
from contextlib import ExitStack

from project.settings import Settings

NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # the second: this machine has no IPv6

SERVERS = {
    "http_port": "NGINX",
    "redis_port": "Redis",
    "producer_port": "the producer",
    "flower_port": "Flower",
    "locust_port": "Locust",
    "smtp_port": "the mail server",
}


def refuse_ports_in_use(settings: Settings) -> None:
    """Exit with one line if the stack cannot listen on one of its ports."""
    hosts = {"http_port": ("HTTP_BIND", settings.http_bind), "redis_port": ("REDIS_HOST", settings.redis_host)}
    with ExitStack() as probes:  # all are open at the same time, so that two equal ports are noticed
        for name in settings.own_ports():
            setting, host = hosts.get(name, ("", "127.0.0.1"))
            port = getattr(settings, name)
            try:
                _listen(host, port, probes)
            except OSError as error:
                sys.exit(f"glassqueue: {_explain(error, setting, name.upper(), port, SERVERS[name])}")


def _listen(host: str, port: int, probes: ExitStack) -> None:
    """Listen on all addresses of a host that this machine has; raise OSError if one is in use, or if it has none."""
    missing: list[OSError] = []
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, _, _, address in addresses:
        try:
            probe = probes.enter_context(socket.socket(family, kind))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
        except OSError as error:
            if error.errno not in NO_SUCH_ADDRESS:
                raise
            missing.append(error)
    if len(missing) == len(addresses):
        raise missing[0]


def _explain(error: OSError, host: str, setting: str, port: int, server: str) -> str:
    """Return the reason and the setting to change."""
    if isinstance(error, socket.gaierror) or error.errno in NO_SUCH_ADDRESS:
        return f"{host}: this machine has no such address; use 127.0.0.1, ::1, or 0.0.0.0 for all of its addresses"
    if error.errno == errno.EACCES:
        return f"port {port} for {server}: only root may use ports below 1024; set {setting} to a port of 1024 or more"
    cure = f"set {setting} to a free port: {setting}=…, or all ports with PORT_OFFSET=100"
    return f"port {port} for {server}: {error.strerror}; {cure}"
