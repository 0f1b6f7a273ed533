"""Run commands on the stack's Redis (`make redis-cli`), like `redis-cli`, which no wheel contains on every platform.

With arguments, run them as one command; without, read commands line by line. Address and password come from the
settings. If Redis is restarting, wait for it up to five seconds.
"""

import shlex
import sys
from collections.abc import Iterator
from typing import Any

from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, RedisError, ResponseError
from redis.retry import Retry

from project import misspelt, redis_clients
from project.settings import get_settings

STATUSES = (b"OK", b"PONG", b"QUEUED")  # replies that redis-cli prints without quotes
RAW = ("INFO", "MONITOR")  # commands with multi-line text replies
ENDLESS = ("MONITOR", "SUBSCRIBE", "PSUBSCRIBE")  # commands with an endless stream of replies
LEAVE = ("exit", "quit")
RESTART = Retry(ConstantBackoff(0.25), 20, supported_errors=(ConnectionError,))  # of connecting only
ESCAPES = {ord("\\"): "\\\\", ord('"'): '\\"', 10: "\\n", 13: "\\r", 9: "\\t"}


def main() -> None:
    """Run the command on the command line, or the commands on standard input; exit with 1 if the last one failed."""
    misspelt.refuse_misspelt_settings()
    try:
        with redis_clients.client(get_settings(), protocol=2, socket_timeout=None, retry=RESTART) as client:
            connection = client.connection_pool.get_connection()
            succeeded = True
            for words in [sys.argv[1:]] if sys.argv[1:] else _typed():
                succeeded = _run(connection, words)
            sys.exit(not succeeded)
    except RedisError as error:
        sys.exit(f"glassqueue: Redis does not answer: {error}")
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)


def _typed() -> Iterator[list[str]]:
    """Yield the words of each line on standard input."""
    for line in iter(_prompt, None) if sys.stdin.isatty() else sys.stdin:
        try:
            words = shlex.split(line)
            if words and words[0].lower() in LEAVE:
                return
            if words:
                yield words
        except ValueError as error:  # an unclosed quote
            print(f"(error) {error}")


def _prompt() -> str | None:
    import readline  # noqa: F401, PLC0415  # gives input() a history; not every Python has this module

    try:
        return input("redis> ")
    except EOFError:
        return None


def _run(connection: Any, words: list[str]) -> bool:
    """Run a command and print its reply; return whether it succeeded."""
    name = words[0].upper()
    connection.send_command(*words)
    try:
        while True:
            reply = connection.read_response(disable_decoding=True)
            print(reply.decode() if name in RAW else "\n".join(_lines(reply)), flush=True)
            if name not in ENDLESS:
                return True
    except ResponseError as error:
        print(f"(error) {error}")
        return False


def _lines(reply: Any) -> list[str]:
    """Return the lines that redis-cli prints for a reply."""
    match reply:
        case []:
            return ["(empty array)"]
        case list():
            return [line for number, element in enumerate(reply, 1) for line in _numbered(f"{number}) ", element)]
        case None:
            return ["(nil)"]
        case int():
            return [f"(integer) {reply}"]
        case ResponseError():
            return [f"(error) {reply}"]
    return [reply.decode() if reply in STATUSES else f'"{"".join(map(_escaped, reply))}"']


def _numbered(head: str, element: Any) -> list[str]:
    """Return the lines of a list element: the first one after its number, the others indented below it."""
    first, *rest = _lines(element)
    return [head + first, *(" " * len(head) + line for line in rest)]


def _escaped(byte: int) -> str:
    return ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")


if __name__ == "__main__":
    main()
