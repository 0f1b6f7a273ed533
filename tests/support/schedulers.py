"""Schedulers as processes."""

import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT, Process, clean_environment
from tests.support.wait import wait_until


class SchedulerProcess(Process):
    """A real `celery beat` with a run directory and a log of its own."""

    def __init__(self, folder: Path, name: str, app: str = "project.consumer", **settings: str) -> None:
        self.run_dir, self.log = folder / name, folder / f"{name}.log"
        self.run_dir.mkdir()
        command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", app, "beat", "--pidfile="]
        environment = clean_environment() | {"RUN_DIR": str(self.run_dir)} | settings
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    @property
    def alive(self) -> Path:
        """The file that it touches at every tick."""
        return self.run_dir / "scheduler.alive"

    @property
    def leads(self) -> bool:
        """Tell whether it was the last to say that it leads."""
        return "this scheduler leads" in self.log.read_text()

    def ready(self) -> "SchedulerProcess":
        """Wait for its first tick."""
        wait_until(self.alive.exists, what=f"{self.log} ticks")
        return self
