"""Where processes log to, and how much."""

import logging
import sys

from project.job_output import MarkingFormatter


def to_stdout(level: str | int, *, force: bool = False) -> None:
    """Print what is logged from this level on; *force* takes the place of what was set up before."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(MarkingFormatter("%(asctime)s %(levelname)s %(name)s: %(mark)s%(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=force)
    # the first two log the address of each request and headers of its answer, and a webhook's address is a secret;
    # alembic has two lines for each look at the database
    for name in ("httpx", "httpcore", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
