"""One process of the stack, as the supervisor sees it; parts.py makes them from the settings."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """A process to keep running.

    probe: where it answers once it is up: http://…, tcp://host:port or the path of a file. first: it is started before
    all others and stopped after them, as consumers hand their jobs back to a Redis that is still there. folder: where
    it runs, if not in the project's. hidden: environment variables that it does not get.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    probe: str = ""
    first: bool = False
    folder: str | None = None
    hidden: list[str] = field(default_factory=list)
