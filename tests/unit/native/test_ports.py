"""The check of the stack's ports before anything is started."""

import errno
import socket

import pytest

from project.native.ports import refuse_ports_in_use
from project.settings import Settings
from tests.support.ports import free_port


def _settings(**changed: object) -> Settings:
    names = ("http_port", "redis_port", "producer_port", "flower_port", "locust_port", "smtp_port")
    return Settings(_env_file=None, **{name: free_port() for name in names} | changed)  # type: ignore[arg-type]


def test_free_ports_are_accepted() -> None:
    """They are free again afterwards."""
    settings = _settings()
    refuse_ports_in_use(settings)
    refuse_ports_in_use(settings)


def test_two_equal_ports_are_refused() -> None:
    """One of the two servers could not start."""
    port = free_port()
    with pytest.raises(SystemExit, match=f"port {port} for .*set FLOWER_PORT to a free port"):
        refuse_ports_in_use(_settings(producer_port=port, flower_port=port))


def test_every_address_of_a_name_is_checked() -> None:
    """Where localhost is ::1 too, a server on 127.0.0.1 is noticed all the same."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match="Redis: Address already in use"):
            refuse_ports_in_use(_settings(redis_host="localhost", redis_port=port))


def test_without_ipv6_the_address_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another port would not help."""

    class WithoutIpv6(socket.socket):
        def __init__(self, *args: int) -> None:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    settings = _settings(http_bind="::1")
    monkeypatch.setattr(socket, "socket", WithoutIpv6)
    with pytest.raises(SystemExit, match="HTTP_BIND: this machine has no such address"):
        refuse_ports_in_use(settings)
