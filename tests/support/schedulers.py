"""Schedulers as processes."""

from pathlib import Path

from tests.support.fork_server import ForkedProgram
from tests.support.processes import Process, clean_environment
from tests.support.wait import wait_until


class SchedulerProcess(Process):
    """A real `celery beat` with a run directory and a log of its own."""

    def __init__(self, folder: Path, name: str, app: str = "project.consumer", **settings: str) -> None:
        self.run_dir, self.log = folder / name, folder / f"{name}.log"
        self.run_dir.mkdir()
        command = ["celery", "-A", app, "beat", "--pidfile="]
        environment = clean_environment() | {"RUN_DIR": str(self.run_dir)} | settings
        self.process = ForkedProgram(command, environment, self.log)

    @property
    def alive(self) -> Path:
        """The file that the scheduler touches at every tick."""
        return self.run_dir / "scheduler.alive"

    @property
    def leads(self) -> bool:
        """Return whether it leads, according to its log."""
        return "this scheduler leads" in self.log.read_text()

    def ready(self) -> "SchedulerProcess":
        """Wait for its first tick."""
        wait_until(self.alive.exists, what=f"{self.log} ticks")
        return self
