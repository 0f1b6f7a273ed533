"""Generate docs/reference/ from a running stack, because the pages show its real responses."""

from pathlib import Path
from tempfile import TemporaryDirectory

from docs.tools.reference.pages import pages
from tests.support.stack import NativeStack

# without CHAOS, as the page shows a request of each kind, and a frozen Redis would answer none of those that follow
with TemporaryDirectory() as folder, NativeStack(Path(folder) / "run", CHAOS="0") as stack, stack.client() as http:
    for path, text in pages(http).items():
        path.write_text(text)
