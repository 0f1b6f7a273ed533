"""Define one process of the stack for the supervisor; parts.py creates them from the settings."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """A process to keep running.

    probe: shows that it is up: http://…, tcp://host:port or the path of a file. first: start it before all others and
    stop it last, so that consumers can hand their jobs back to Redis. needs: the part that must be up before it starts.
    folder: its working directory, if not the project's. hidden: environment variables that it does not get.
    stdout: a file in RUN_DIR for its standard output, which then is not in the log of the stack.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    probe: str = ""
    first: bool = False
    folder: str | None = None
    hidden: list[str] = field(default_factory=list)
    needs: str = ""
    stdout: str = ""
