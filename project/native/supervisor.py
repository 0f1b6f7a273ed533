"""Start all parts, keep them running, and stop them in order."""

import asyncio
import json
import os
import select
import signal
import stat
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from project.health import given_up
from project.native import ready
from project.native.keeper import Keeper
from project.native.output import Output
from project.native.part import Part
from project.native.progress import Progress
from project.native.race import race
from project.native.reload import Reloader

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 10  # seconds that the parts may take to stop, in addition to SHUTDOWN_TIMEOUT
DEBOUNCE = 1  # seconds in which a second signal counts as the same one: `timeout` and a closed terminal send two


@dataclass(frozen=True)
class Plan:
    """The parts to run, their RUN_DIR, the text to print when they are up, and the seconds to wait for their end.

    watched: the folders whose changes restart parts. preload: a file with the libraries that these parts load.
    logs: whether to write log files, which a container leaves to Docker.
    """

    parts: list[Part]
    run_dir: str
    banner: str
    patience: float
    watched: list[str] = field(default_factory=list)
    preload: str = ""
    logs: bool = True


class Supervisor:
    """Run a plan until a signal; a second Ctrl-C kills the processes that have not stopped."""

    def __init__(self, plan: Plan, output: Output) -> None:
        self._plan, self._output = plan, output
        self._keepers = [Keeper(part, output, self._gave_up) for part in plan.parts]
        self._failed: set[str] = set()  # the names of the parts that are not restarted
        self._stop, self._kill = asyncio.Event(), asyncio.Event()
        self._stopped_at = 0.0
        self._tasks: dict[Keeper, asyncio.Task[None]] = {}
        self._reloader: Reloader | None = None
        self._progress = Progress([part.name for part in plan.parts], output)

    async def run(self) -> None:
        """Start everything, wait for a signal, stop everything."""
        self._listen()
        watching = asyncio.create_task(self._watch_terminal())
        self._progress.begin()
        first = [keeper for keeper in self._keepers if keeper.part.first]
        others = [keeper for keeper in self._keepers if not keeper.part.first]
        self._start(first)
        await race(self._up(keeper.part.name for keeper in first), self._stop.wait())
        self._start(others)
        await race(self._announce(), self._stop.wait())
        reloading = asyncio.create_task(self._reload())
        await self._stop.wait()
        for task in (watching, reloading):
            task.cancel()
        if self._reloader:
            await self._reloader.end()
        await self._end(others)
        await self._end(first)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # everything has ended: ignore another Ctrl-C

    def _start(self, keepers: list[Keeper]) -> None:
        self._tasks |= {keeper: asyncio.create_task(self._run(keeper)) for keeper in keepers}

    async def _run(self, keeper: Keeper) -> None:
        """Run a part as soon as the one that it needs is up."""
        await race(self._up([keeper.part.needs]), self._stop.wait())
        await keeper.run()

    async def _reload(self) -> None:
        """Restart the parts with the project's code when it changes, if RELOAD is set."""
        if self._plan.watched and not self._stop.is_set():
            self._reloader = Reloader(self._keepers, self._plan.preload, self._output, self._replace, self._failed)
            await self._reloader.run(self._plan.watched)

    async def _replace(self, keeper: Keeper) -> None:
        """Replace the process of a part, even of one that was given up."""
        if self._tasks[keeper].done():
            self._failed.discard(keeper.part.name)
            given_up.forget(self._plan.run_dir, keeper.part.name)
            self._start([keeper])
        await keeper.replace()

    async def _up(self, names: Iterable[str]) -> None:
        """Wait until the parts with these names are up, or have failed."""
        names = set(names)
        await ready.all_up([part for part in self._plan.parts if part.name in names], self._failed)

    def _listen(self) -> None:
        """Handle signals from now on, including those that have arrived since the process started."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for number in STOP:
            if number != signal.SIGHUP or not _survives_terminal():
                loop.add_signal_handler(number, self._signalled, number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)

    async def _watch_terminal(self) -> None:
        """Stop when the terminal is closed: no SIGHUP arrives if `make` is the terminal's first process."""
        # not isatty(): it is false for a terminal that is already closed
        if _survives_terminal() or not stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode):
            return
        terminal = select.poll()
        terminal.register(sys.stdout, 0)  # POLLHUP is always reported
        while not terminal.poll(0):
            await asyncio.sleep(1)
        self._signalled(signal.SIGHUP)

    def _signalled(self, number: int) -> None:
        now = asyncio.get_running_loop().time()
        if not self._stop.is_set():
            self._stopped_at = now
            self._output.say("glassqueue: stopping; press Ctrl-C again to kill the remaining processes")
            self._stop.set()
        elif number == signal.SIGINT and now - self._stopped_at > DEBOUNCE:
            self._kill.set()

    def _reap(self) -> None:
        for keeper in self._keepers:
            keeper.reap()
        if self._reloader:
            self._reloader.reap()

    def _gave_up(self, name: str, how: str, last_lines: str) -> None:
        self._failed.add(name)
        self._output.say(f"glassqueue: {name} is not restarted: it {how}; its last output:\n{last_lines}")
        given_up.note(self._plan.run_dir, name, how)

    async def _announce(self) -> None:
        """Print the banner once all parts answer, or name the parts that do not."""
        silent = await ready.all_up(self._plan.parts, self._failed, self._progress.ready)
        self._output.quiet = False
        if silent:
            names = ", ".join(silent)
            self._output.say(f"glassqueue: no answer after {ready.DEADLINE} s: {names}; `make doctor` says why")
        else:
            self._output.say(self._plan.banner)
        if self._failed:
            self._output.say(f"glassqueue: not running: {', '.join(sorted(self._failed))}; the reason is above")

    async def _end(self, keepers: list[Keeper]) -> None:
        """Stop processes; kill those that have not ended in time, or at the second Ctrl-C."""
        self._kill.clear()  # after the others were killed, Redis still stops by itself
        tasks = [self._tasks[keeper] for keeper in keepers if keeper in self._tasks]
        for keeper in keepers:
            keeper.stop()
        if tasks:
            # not gather(): race() cancels it, and so all keepers; and it would end with the first exception
            await race(asyncio.wait(tasks), self._kill.wait(), asyncio.sleep(self._plan.patience))
            for keeper in keepers:
                keeper.kill()
            await asyncio.wait(tasks)


def _survives_terminal() -> bool:
    """Tell whether SIGHUP is ignored, as in `nohup make up`."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def _output(names: list[str], run_dir: Path | None) -> Output:
    """Return the output with its log files, or without them if they cannot be written."""
    try:
        return Output(names, run_dir)
    except OSError as error:
        output = Output(names)
        output.say(f"glassqueue: cannot write {error.filename}: {error.strerror}; continuing without log files")
        return output


def become(plan: Plan, lock: int, environment: dict[str, str]) -> None:
    """Replace this process by the supervisor, which needs a third of the memory without the modules of the checks.

    Signals are blocked until the supervisor handles them.
    """
    file = os.memfd_create("plan", 0)
    os.write(file, json.dumps(asdict(plan)).encode())
    os.lseek(file, 0, os.SEEK_SET)
    os.set_inheritable(lock, True)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    os.execve(sys.executable, [sys.executable, "-m", "project.native.supervisor", str(file)], environment)


def main(plan_file: int) -> None:
    """Run the plan in an inherited file; become() has written it as JSON."""
    with open(plan_file) as file:
        written = json.load(file)
    plan = Plan(**written | {"parts": [Part(**part) for part in written["parts"]]})
    output = _output([part.name for part in plan.parts], Path(plan.run_dir) if plan.logs else None)
    asyncio.run(Supervisor(plan, output).run())
    output.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
