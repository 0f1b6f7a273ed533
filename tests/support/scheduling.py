"""How xdist distributes the tests."""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling


class FilesByStack(LoadFileScheduling):
    """As `--dist=loadfile`, but files that share a stack stay together, so that it is started once."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "the shared stack" if _shares_the_stack(file) else file


@cache
def _shares_the_stack(file: str) -> bool:
    text = Path(file).read_text()
    return file.startswith("tests/e2e/") and "mark.stack" not in text and "def stack(" not in text
