"""Free ports of this machine."""

import random
import socket

# below those that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range), which would take one back
CHOICE = range(10_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """Return a port that nobody listens on at the moment, never one twice in this process."""
    while True:
        port = random.SystemRandom().choice(CHOICE)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
