"""Files and folders of an FTP server at which the connection breaks: the others are backed up."""

import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from project.integrations.backups import ftp, ftp_mirror
from project.settings import Settings
from tests.support.ftp_server import ABORTS, CLOSES, CUTS, DROPS, ENDS, HANGS, FtpServer, running_ftp, write_tree

LONG = bytes(range(256)) * 2000
TREE = {"a": b"a", "b/c": b"c", "long": LONG, "spaced /d ": b"d", "spaced/e": b"e", "z": b"z"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FtpServer]:
    """A server with some files, with a short timeout of its clients."""
    monkeypatch.setattr(ftp, "connected", partial(ftp.connected, timeout=0.5))
    write_tree(tmp_path / "server", TREE)
    with running_ftp(tmp_path / "server") as server:
        yield server


def _back_up(settings: Settings) -> dict[str, Any]:
    settings.backups.mkdir(exist_ok=True)
    return ftp_mirror.write(settings, settings.backups / "new", lambda *_: None)


def _packed(settings: Settings) -> dict[str, bytes]:
    with tarfile.open(settings.backups / "new") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]


def _left_out(settings: Settings) -> dict[str, str]:
    return dict(json.loads((settings.backups / "new.json").read_text())["left_out"])


@pytest.mark.parametrize("mischief", [CLOSES, HANGS, ABORTS])
@pytest.mark.parametrize("name", ["a", "b", "c", "long"])
def test_a_file_or_folder_at_which_the_connection_breaks_is_left_out(
    server: FtpServer, tmp_path: Path, name: str, mischief: str
) -> None:
    """With the reason, and each time; the files after it are fetched."""
    settings = server.settings(tmp_path)
    server.mischief[name] = mischief
    bad = {"c": "b/c"}.get(name, name)
    for _ in range(2):
        assert _back_up(settings)["left_out_names"] == [bad]
        assert _left_out(settings)[bad].startswith("the connection breaks whenever the server sends it: ")
        assert _packed(settings) == {path: data for path, data in TREE.items() if not path.startswith(bad)}
    server.mischief.clear()
    assert _back_up(settings)["left_out"] == 0
    assert _packed(settings) == TREE


@pytest.mark.parametrize("mischief", [CLOSES, CUTS])
def test_a_file_that_breaks_in_the_middle_is_left_out_when_it_gets_no_further(
    server: FtpServer, tmp_path: Path, mischief: str
) -> None:
    """The job is retried as long as each attempt gets more of the file, even if the server can only restart it."""
    settings = server.settings(tmp_path)
    server.mischief["long"] = DROPS
    with pytest.raises((EOFError, OSError)):
        _back_up(settings)
    server.mischief["long"] = mischief
    assert _back_up(settings)["left_out_names"] == ["long"]
    assert _packed(settings) == {path: data for path, data in TREE.items() if path != "long"}


def test_a_server_that_goes_away_is_an_error_to_try_again_after(server: FtpServer, tmp_path: Path) -> None:
    """No file is left out because of that."""
    server.mischief["a"] = ENDS
    with pytest.raises((EOFError, OSError)):
        _back_up(server.settings(tmp_path))
