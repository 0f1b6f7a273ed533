"""Choose the `.env` that processes of a test read: that of a copy of the project, never the developer's own."""

from pathlib import Path

from project.startup import ROOT


def env_file_of(folder: Path) -> dict[str, str]:
    """Return the variable that lets a copy of the project read its own file, if any; tests/conftest.py has chosen none."""
    file = folder.absolute() / ".env"
    return {"GLASSQUEUE_ENV_FILE": str(file)} if file.exists() and folder.resolve() != ROOT else {}
