"""The example project in examples/shop, as its README says."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.newcomer import Newcomer
from tests.support.wait import wait_until

pytestmark = pytest.mark.heavy


class Terminal:
    """Another terminal, in which a consumer runs."""

    def __init__(self, newcomer: Newcomer, log: Path) -> None:
        self._newcomer, self._log = newcomer, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: str) -> str:
        """Start the consumer, and return what it prints until it is ready."""
        stack = self._newcomer.stack
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command.split(), cwd=stack.folder, env=stack.environment, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(lambda: "ready." in self._log.read_text(), 60, "the consumer is ready")
        return self._log.read_text()

    def close(self) -> None:
        """Stop the consumer."""
        if self._process:
            self._process.terminate()
            self._process.wait(60)


@pytest.fixture
def terminal(newcomer: Newcomer, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal that is closed before the stack is stopped."""
    terminal = Terminal(newcomer, tmp_path / "terminal.log")
    yield terminal
    terminal.close()


def test_the_shop_runs_beside_the_stack_as_its_readme_says(newcomer: Newcomer, terminal: Terminal) -> None:
    """Its requirements are installed beside its code, and the producer offers its tasks without a restart."""
    reader = newcomer.reader()
    reader.special = {**reader.special, "make consumer": terminal.start}
    assert reader.follow(newcomer.folder / "examples/shop/README.md") == 7
    with newcomer.stack.client() as http:
        job = http.post("/producer/api/label", json={"parcel": "parcel-17"}).json()
        found = http.get(f"/producer/api/label/{job['job_id']}?wait=20").json()
    assert found["result"].startswith("<svg ")
