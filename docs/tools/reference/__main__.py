"""Generate docs/reference/ from a running stack, because the pages show its real responses."""

from pathlib import Path
from tempfile import TemporaryDirectory

from docs.tools.reference.pages import pages
from tests.support.stack import NativeStack

with TemporaryDirectory() as folder, NativeStack(Path(folder) / "run") as stack, stack.client() as http:
    for path, text in pages(http).items():
        path.write_text(text)
