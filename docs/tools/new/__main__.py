"""Make a new service from this project: `python -m docs.tools.new DIR NAME PART,PART`; `make new` calls it."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docs.tools.new import cuts
from project import __version__

TEMPLATE = Path(__file__).with_name("template")
COPIED = [
    "project",
    "nginx",
    "locust",
    "docker-compose.yml",
    "docker-compose.rabbitmq.yml",
    "docker-compose.dev.yml",
    "pyproject.toml",
    "Makefile",
]
COPIED += ["LICENSE", ".dockerignore", ".env.example", ".gitignore"]
COPIED += [f"requirements{kind}.{end}" for kind in ("", "-dev", "-locust", "-native") for end in ("in", "lock")]
SUPPORT = ["__init__.py", "env_file.py", "http.py", "ports.py", "stack.py", "wait.py"]  # of tests/support
NAME = r"[a-z][a-z0-9_]{1,30}"
USAGE = "make new DIR=../myservice NAME=myservice WITHOUT=mail,backups,records,reminders"


def main(words: list[str]) -> None:
    """Make the service, or exit with one line that gives the reason; nothing is left behind then."""
    folder, name, without = _checked(*[*words, "", "", ""][:3])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder.parent) as temporary:
            made = Path(temporary) / name
            _make(made, name, without)
            if folder.exists():
                folder.rmdir()  # it is empty
            made.rename(folder)
    except OSError as error:  # for example a folder that you cannot write, or a full disk
        sys.exit(f"make new: DIR={folder}: {error.strerror or error}")
    print(f"{name} is in {folder}. Its README says how to go on:\n\n  cd {folder} && make up")


def _checked(folder: str, name: str, without: str) -> tuple[Path, str, list[str]]:
    if not folder or not name:
        sys.exit(f"make new: DIR and NAME are missing: {USAGE}")
    if not re.fullmatch(NAME, name):
        sys.exit(f"make new: NAME={name}: use 2 to 31 lower-case letters, digits and _, beginning with a letter")
    target, here = Path(folder).expanduser().absolute(), Path().absolute()
    if target.resolve().is_relative_to(here.resolve()):
        sys.exit(f"make new: DIR={folder} is inside this project; choose a folder beside it, such as ../{name}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        sys.exit(f"make new: DIR={folder} exists and is not empty; choose a new folder")
    parts = [part.strip() for part in without.split(",") if part.strip()]
    for part in parts:
        if part not in cuts.PARTS:
            sys.exit(f"make new: WITHOUT={part}: there is no such part; the parts are {', '.join(cuts.PARTS)}")
        if lacking := [need for need in cuts.TABLE[part].get("needs", []) if need not in parts]:
            sys.exit(f"make new: WITHOUT={part}: {', '.join(lacking)} cannot do without it; leave that out too")
    return target, name, parts


def _make(root: Path, name: str, without: list[str]) -> None:
    """Copy, cut, rename and tidy up."""
    root.mkdir()
    for each in COPIED:
        if Path(each).is_dir():
            shutil.copytree(each, root / each, ignore=shutil.ignore_patterns("__pycache__", ".#*"))
        else:
            shutil.copy(each, root / each)
    (root / "tests/support").mkdir(parents=True)
    for each in SUPPORT:
        shutil.copy(f"tests/support/{each}", root / "tests/support")
    for entry in cuts.chosen(without):
        cuts.cut(root, cuts.TABLE[entry])
    shutil.copytree(TEMPLATE, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    _rename(root, name)
    for command in (["check", "--fix", "--select", "F401,I"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache"], cwd=root, check=True)


def _rename(root: Path, name: str) -> None:
    """Give all files the name of the service, which is also that of containers, loggers and metrics."""
    title = name.replace("_", " ").capitalize()
    for path in root.rglob("*"):
        if path.is_file() and not path.name.endswith(".lock") and (text := _text(path)):
            text = text.replace("{version}", __version__) if path.suffix == ".md" else text
            text = text.replace("Glassqueue", title).replace("GLASSQUEUE", name.upper()).replace("glassqueue", name)
            path.write_text(text.replace("{origin}", "Glassqueue") if path.suffix == ".md" else text)


def _text(path: Path) -> str:
    """Return the text of a file, or "" if it is not a text, such as an image."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


if __name__ == "__main__":
    main(sys.argv[1:])
