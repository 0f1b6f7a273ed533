"""Choose the `.env` that processes of a test read: that of a copy of the project, never the developer's own."""

from pathlib import Path

from project.startup import ROOT


def env_file_of(folder: Path) -> dict[str, str]:
    """Return the variable that lets a copy of the project read its own file; tests/conftest.py has chosen none."""
    return {} if folder.resolve() == ROOT else {"GLASSQUEUE_ENV_FILE": str(folder.absolute() / ".env")}
