"""Define one process of the stack for the supervisor; parts.py creates them from the settings."""

from dataclasses import dataclass, field, replace
from typing import Self


@dataclass(frozen=True)
class Part:
    """A process to keep running.

    probe: shows that it is up: http://…, tcp://host:port or the path of a file. first: start it before all others and
    stop it last, so that consumers can hand their jobs back to Redis. needs: a part that must be up before.
    folder: its working directory, if not the project's. hidden: environment variables that it does not get.
    stdout: a file in RUN_DIR for its standard output, which then is not in the log of the stack. reload: whether it is
    restarted when the code changes. listen: host:port of a socket that the launcher opens for its processes, in which
    connections wait while one replaces another.
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
    reload: bool = False
    listen: str = ""

    def generation(self, number: int) -> Self:
        """Return the part that replaces this one: a consumer needs a name of its own, as the old one still runs."""
        old, new = f"{self.name}@", f"{self.name}.{number}@"
        command = [word.replace(old, new) if word.startswith(old) else word for word in self.command]
        probe = (
            self.probe.replace(f"{self.name}.alive", f"{self.name}.{number}.alive") if command != self.command else ""
        )
        return replace(self, command=command, probe=probe or self.probe)
