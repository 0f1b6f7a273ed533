"""Set up logging."""

import logging
import sys

from project.job_output import MarkingFormatter


def to_stdout(level: str | int, *, force: bool = False) -> None:
    """Log to standard output from this level on; *force* replaces an earlier configuration."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(MarkingFormatter("%(asctime)s %(levelname)s %(name)s: %(mark)s%(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=force)
    # the first two log URLs and response headers, and a webhook's URL is a secret; alembic logs two lines each time
    # it inspects the database
    for name in ("httpx", "httpcore", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
