"""The standby process: renews a consumer's leases while the consumer itself cannot; standby.py starts it.

A job that holds the interpreter's lock (GIL) stops every thread of its process, even the one that renews leases. This
process shares no lock with it. It imports neither Celery nor redis-py, and so takes 3 MiB instead of 20. It connects to
Redis only when it has leases to renew, and ends with its consumer.
"""

import marshal
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any

# The board, which is shared memory: a sequence number, then two halves. If the number is even, the first half is valid.
# A half has the time of the last renewal and a length, then the id, token, queue and hard time limit of each lease.
SEQUENCE, HEAD, HALF = struct.Struct("=Q"), struct.Struct("=dI"), 2**19
LeaseFields = tuple[bytes, ...]


def half(sequence: int) -> int:
    """Return the offset of the valid half."""
    return SEQUENCE.size + HALF * (sequence % 2)


def main(board: mmap.mmap, config: dict[str, Any]) -> None:
    """Renew leases while the consumer does not; return when the consumer has ended, which closes stdin."""
    lease, due = config["lease"], 0.0
    while not select.select([0], [], [], lease / 6)[0] and os.getppid() == config["parent"]:
        renewed, leases = read(board)
        now = time.monotonic()
        elapsed = now - renewed
        current = [each for each in leases if elapsed < float(each[3])]
        if elapsed > lease / 2 and now >= due and current and not is_stopped(config["parent"]):
            try:
                renew(config, current)
            except OSError:  # Redis is away, so no job is to blame; the next round tries again
                due = now
                continue
            if not due:
                cause = "does a job hold the interpreter's lock?"
                text = f"no lease renewed for {elapsed:.1f} s ({cause}); the standby process renews them"
                print(f"{config['consumer']}: {text}", file=sys.stderr)
            due = now + lease / 3
        if elapsed < lease / 2:
            due = 0.0


def read(board: mmap.mmap) -> tuple[float, list[LeaseFields]]:
    """Return the time of the last renewal, and the leases."""
    while True:
        (sequence,) = SEQUENCE.unpack_from(board)
        renewed, length = HEAD.unpack_from(board, half(sequence))
        begin = half(sequence) + HEAD.size
        text = board[begin : begin + length]
        if SEQUENCE.unpack_from(board) == (sequence,):  # otherwise it may have changed while it was read
            return renewed, [tuple(line.split(b"\0")) for line in text.split(b"\n") if line]


def is_stopped(pid: int) -> bool:
    """Return whether a signal has stopped a process, so that its jobs do not run (known on Linux only)."""
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as stat:
        return stat.read().rpartition(b") ")[2][:1] in b"Tt"
    return False


def renew(config: dict[str, Any], leases: list[LeaseFields]) -> None:
    """Run the script that renews leases; raise OSError if Redis does not answer or refuses."""
    named = [value for lease in leases for value in lease[:3]]
    commands = [*config["greeting"], ["EVAL", config["script"], 0, *config["arguments"], *named], ["QUIT"]]
    with connect(**config["address"]) as connection:
        connection.sendall(b"".join(map(encoded, commands)))
        answer = b""
        while chunk := connection.recv(65536):  # until Redis has closed the connection
            answer += chunk
    if not answer or (b"\r\n" + answer).find(b"\r\n-") >= 0:
        raise OSError(answer)


def encoded(command: list[Any]) -> bytes:
    """Encode a command in the Redis protocol."""
    values = [value if isinstance(value, bytes) else str(value).encode() for value in command]
    return b"*%d\r\n" % len(values) + b"".join(b"$%d\r\n%s\r\n" % (len(value), value) for value in values)


def connect(path: str, host: str, port: int, timeout: float | None, tls: dict[str, Any] | None) -> socket.socket:
    """Connect to Redis."""
    if path:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(path)
        return connection
    # bytes, because for text Python would import a codec of a megabyte
    connection = socket.create_connection((host.encode(), port), timeout)  # type: ignore[arg-type]
    return with_tls(connection, host, **tls) if tls else connection


def with_tls(
    connection: socket.socket, host: str, authorities: dict[str, Any], certificate: list[Any], verify: int, match: bool
) -> socket.socket:
    """Encrypt a connection."""
    import ssl  # noqa: PLC0415  # doubles the size of this process

    context = ssl.create_default_context(**authorities)
    context.check_hostname = match and verify != ssl.CERT_NONE
    context.verify_mode = ssl.VerifyMode(verify)
    if certificate[0]:
        context.load_cert_chain(*certificate)
    return context.wrap_socket(connection, server_hostname=host)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # also sent to the consumer, which may finish its jobs first
    file, size = int(sys.argv[1]), SEQUENCE.size + 2 * HALF
    main(mmap.mmap(file, size, access=mmap.ACCESS_READ), marshal.load(sys.stdin.buffer))
