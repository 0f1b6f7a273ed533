"""`make redis-cli`: ask the stack's Redis, as `redis-cli` does, which no wheel brings along on every platform.

With words it runs them as one command; without, it reads commands line by line. Address and password are the settings'.
"""

import shlex
import sys
from collections.abc import Iterator
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from project.settings import get_settings

STATUSES = (b"OK", b"PONG", b"QUEUED")  # answers that redis-cli prints without quotes
RAW = ("INFO", "MONITOR")  # commands whose answers are lines to read
ENDLESS = ("MONITOR", "SUBSCRIBE", "PSUBSCRIBE")  # commands with one answer after another
ESCAPES = {ord("\\"): "\\\\", ord('"'): '\\"', 10: "\\n", 13: "\\r", 9: "\\t"}


def main() -> None:
    """Run the command of the command line, or those of standard input; exit with 1 if the last one failed."""
    try:
        with Redis.from_url(get_settings().records, protocol=2, socket_timeout=None) as client:
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
    """Yield the words of each line that is typed or piped in."""
    for line in iter(_prompt, None) if sys.stdin.isatty() else sys.stdin:
        try:
            if words := shlex.split(line):
                yield words
        except ValueError as error:  # a quote that is not closed
            print(f"(error) {error}")


def _prompt() -> str | None:
    import readline  # noqa: F401, PLC0415  # gives input() a history; not every Python has it

    try:
        return input("redis> ")
    except EOFError:
        return None


def _run(connection: Any, words: list[str]) -> bool:
    """Run a command and print its answer; say whether it succeeded."""
    name = words[0].upper()
    connection.send_command(*words)
    try:
        while True:
            answer = connection.read_response(disable_decoding=True)
            print(answer.decode() if name in RAW else "\n".join(_lines(answer)), flush=True)
            if name not in ENDLESS:
                return True
    except ResponseError as error:
        print(f"(error) {error}")
        return False


def _lines(answer: Any) -> list[str]:
    """Return the lines that redis-cli prints for an answer."""
    match answer:
        case []:
            return ["(empty array)"]
        case list():
            return [line for number, element in enumerate(answer, 1) for line in _numbered(f"{number}) ", element)]
        case None:
            return ["(nil)"]
        case int():
            return [f"(integer) {answer}"]
        case ResponseError():
            return [f"(error) {answer}"]
    return [answer.decode() if answer in STATUSES else f'"{"".join(map(_escaped, answer))}"']


def _numbered(head: str, element: Any) -> list[str]:
    """Return the lines of a list's element, the first one after its number and the others below it."""
    first, *rest = _lines(element)
    return [head + first, *(" " * len(head) + line for line in rest)]


def _escaped(byte: int) -> str:
    return ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")


if __name__ == "__main__":
    main()
