"""Check that the ports of the stack are free."""

import errno
import socket
import sys

from project.settings import Settings

SERVERS = {
    "http_port": "NGINX",
    "redis_port": "Redis",
    "producer_port": "the producer",
    "flower_port": "Flower",
    "locust_port": "Locust",
    "smtp_port": "caught mail",
}


def refuse_ports_in_use(settings: Settings) -> None:
    """Exit with one line if the stack cannot listen on one of its ports."""
    hosts = {"http_port": ("HTTP_BIND", settings.http_bind), "redis_port": ("REDIS_HOST", settings.redis_host)}
    for name in settings.own_ports():
        setting, host = hosts.get(name, ("", "127.0.0.1"))
        port = getattr(settings, name)
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            sys.exit(f"glassqueue: {_explain(error, setting, name.upper(), port, SERVERS[name])}")


def _explain(error: OSError, host: str, setting: str, port: int, server: str) -> str:
    """Return the reason and the setting to change."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host}: this machine has no such address; use 127.0.0.1, ::1, or 0.0.0.0 for all of its addresses"
    cure = f"set {setting} to a free port: {setting}=…, or all ports with PORT_OFFSET=100"
    return f"port {port} for {server}: {error.strerror}; {cure}"
