"""Free ports of this machine."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# below those that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range), which would take one back
CHOICE = range(10_000, 32_000)
_given: set[int] = set()
# byte n is locked by the process that was given port n, until that process ends
_LOCKS = (Path(tempfile.gettempdir()) / f"glassqueue-ports-of-{os.getuid()}").open("ab")


def free_port() -> int:
    """Return a free port, never one that this or another process of the tests was given before."""
    while True:
        port = random.SystemRandom().choice(CHOICE)
        if port not in _given and _is_ours(port) and _is_free(port):
            _given.add(port)
            return port


def _is_ours(port: int) -> bool:
    try:
        fcntl.lockf(_LOCKS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
