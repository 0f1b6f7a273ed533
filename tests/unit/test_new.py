"""`make new`: a service of one's own, or one line that says what is wrong."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.tools.new import __main__ as new
from docs.tools.new import cuts


@pytest.mark.parametrize("without", [[], *([name] for name in cuts.PARTS if name != "records"), cuts.PARTS], ids=str)
def test_everything_that_belongs_to_a_part_is_found(without: list[str], tmp_path: Path) -> None:
    """A change of the code changes parts.toml too."""
    for each in [*new.COPIED, "tests/support"]:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if Path(each).is_dir() else shutil.copy
        copy(each, tmp_path / each)
    for entry in cuts.chosen(without):
        cuts.cut(tmp_path, cuts.TABLE[entry])


def test_a_service_without_any_part_does_not_mention_them(tmp_path: Path) -> None:
    """Neither a comment nor a message speaks of what is not there."""
    folder = tmp_path / "new"
    new.main([str(folder), "service", ",".join(cuts.PARTS)])
    parts = re.compile(
        r"\b(e?mails?|imap|smtp|backups?|ftp|pyftpdlib|reminders?|remind_me|webhooks?|postgres\w*|alembic)\b", re.I
    )
    others = {".lock", ".toml"}  # pyproject.toml names packages that mypy cannot check
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in others]
    lines = [(path.name, line) for path in files for line in path.read_text().splitlines()]
    assert [(name, line) for name, line in lines if parts.search(line)] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["", "", ""], "DIR and NAME are missing: make new DIR="),
        (["{tmp}/new", "My-Service", ""], "NAME=My-Service: use 2 to 31 lower-case letters"),
        (["project/new", "service", ""], "DIR=project/new is inside this project"),
        (["{tmp}", "service", ""], "exists and is not empty"),
        (["{tmp}/file/new", "service", ""], "file/new: File exists"),
        (["{tmp}/new", "service", "mail,fax"], "WITHOUT=fax: there is no such part; the parts are reminders, mail, "),
        (["{tmp}/new", "service", "records"], "WITHOUT=records: backups cannot do without it; leave that out too"),
    ],
)
def test_what_cannot_be_made_is_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    """And nothing is left behind."""
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as exit_info:
        new.main([word.replace("{tmp}", str(tmp_path)) for word in words])
    assert message in str(exit_info.value)
    assert len(str(exit_info.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_service_that_cannot_be_finished_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a part does not fit the code any more."""
    monkeypatch.setitem(cuts.TABLE, "mail", {"files": ["project/no_such_file.py"]})
    with pytest.raises(cuts.NotFoundError):
        new.main([str(tmp_path / "new"), "service", "mail"])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_text_stays_as_it_is(tmp_path: Path) -> None:
    """Such as an image, or what a file manager leaves behind."""
    (tmp_path / ".DS_Store").write_bytes(b"\x00\xff glassqueue")
    (tmp_path / "text.py").write_text("glassqueue")
    new._rename(tmp_path, "service")
    assert (tmp_path / ".DS_Store").read_bytes() == b"\x00\xff glassqueue"
    assert (tmp_path / "text.py").read_text() == "service"


def test_the_shell_interprets_nothing_in_the_name_of_the_folder(tmp_path: Path) -> None:
    """Quotes and backquotes are part of it."""
    arguments = [f'DIR={tmp_path}/`touch {tmp_path}/made`"new', "NAME=No"]
    make = ["make", "--no-print-directory", "--old-file=.venv/dev", "new", *arguments]
    done = subprocess.run(make, check=False, capture_output=True, text=True, timeout=60)
    assert done.stderr.startswith("make new: NAME=No: use 2 to 31"), done.stderr
    assert list(tmp_path.iterdir()) == []
