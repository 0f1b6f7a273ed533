"""Run a second process that renews the leases of this one while a job holds the interpreter's lock (GIL)."""

import logging
import marshal
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redis.connection import SSLConnection

from . import scripts
from .lease_board import SIZE, LeaseBoard

logger = logging.getLogger(__name__)

PROGRAM = Path(__file__).with_name("standby_process.py")
AUTHORITIES = {"cafile": "ca_certs", "capath": "ca_path", "cadata": "ca_data"}  # ssl's name: redis-py's name
VERIFY = {None: 0, "none": 0, "optional": 1, "required": 2}  # the numbers of ssl


class Standby(LeaseBoard):
    """Shows the leases of this process to a second process, which renews them if this one does not."""

    def __init__(self, pool: Any, consumer: str, lease: float, max_attempts: int, result_ttl: int) -> None:
        """Start the second process; it connects to the Redis of *pool* and calls renew_and_reap.lua."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open until this process ends
        self._file.truncate(SIZE)
        super().__init__(mmap.mmap(self._file.fileno(), 0))
        self._process: subprocess.Popen[bytes] | None = None
        kwargs = pool.connection_kwargs
        self._config = {
            "parent": os.getpid(),
            "consumer": consumer,
            "lease": lease,
            "script": scripts.RENEW_AND_REAP.text,
            "arguments": ["renew", lease, max_attempts, result_ttl],
            "greeting": _greeting(kwargs),
            "address": _address(kwargs, issubclass(pool.connection_class, SSLConnection)),
        }
        self.show([])
        self._start()

    def _start(self) -> None:
        # -I and -S: ignore the environment and site-packages
        command = [sys.executable, "-I", "-S", str(PROGRAM), str(self._file.fileno())]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[self._file.fileno()])
            stdin: Any = self._process.stdin
            stdin.write(marshal.dumps(self._config))  # not on the command line, because it contains the password
            stdin.flush()
        except OSError as error:
            logger.warning("cannot start the standby process, which renews leases if a job blocks this one: %r", error)

    def renewed(self, leases: Iterable[Any]) -> None:
        """Note that this process has just renewed its leases; start the second process again if it was killed."""
        super().renewed(leases)
        if self._process is None or self._process.poll() is not None:
            self._start()

    def close(self) -> None:
        """Stop the second process."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait(5)


def _greeting(kwargs: dict[str, Any]) -> list[list[Any]]:
    """Return the commands to send first on a connection."""
    credentials = [value for value in (kwargs.get("username"), kwargs.get("password")) if value]
    chosen = [["SELECT", kwargs["db"]]] if kwargs.get("db") else []
    return [["AUTH", *credentials], *chosen] if credentials else chosen


def _address(kwargs: dict[str, Any], encrypted: bool) -> dict[str, Any]:
    verify = kwargs.get("ssl_cert_reqs", "required")
    tls = {
        "authorities": {name: kwargs.get(f"ssl_{key}") for name, key in AUTHORITIES.items()},
        "certificate": [kwargs.get("ssl_certfile"), kwargs.get("ssl_keyfile"), kwargs.get("ssl_password")],
        "verify": VERIFY[verify] if verify in VERIFY else int(verify),
        "match": kwargs.get("ssl_check_hostname", True),
    }
    place = {"path": kwargs.get("path", ""), "host": kwargs.get("host", ""), "port": int(kwargs.get("port", 0))}
    return place | {"timeout": kwargs.get("socket_timeout"), "tls": tls if encrypted else None}
