"""The pages of docs/reference/, made from Settings, the catalogue and OpenAPI of a running stack."""

from pathlib import Path

import httpx

from docs.tools.reference.http_page import http_page
from docs.tools.reference.settings_page import settings_page
from docs.tools.reference.tasks_page import tasks_page

FOLDER = Path("docs/reference")
HEADER = "<!-- Written by `make reference`; do not edit. -->\n\n"


def pages(http: httpx.Client) -> dict[Path, str]:
    """Return each page's path and text; the same code gives the same text."""
    return {
        FOLDER / "settings.md": HEADER + settings_page(),
        FOLDER / "tasks.md": HEADER + tasks_page(http.get("/producer/api/tasks").json()),
        FOLDER / "http.md": HEADER + http_page(http),
    }
