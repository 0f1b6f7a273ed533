"""Write docs/reference/: starts a stack, because the pages show what it really answers."""

from pathlib import Path
from tempfile import TemporaryDirectory

from docs.tools.reference.pages import pages
from tests.support.stack import NativeStack

with TemporaryDirectory() as folder, NativeStack(Path(folder) / "run") as stack, stack.client() as http:
    for path, text in pages(http).items():
        path.write_text(text)
