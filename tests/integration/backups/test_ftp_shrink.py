"""A backup of an FTP server that has lost nearly everything is refused, so that the good archives stay."""

import gzip
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from project.integrations.backups import archives, ftp_mirror, manifest
from project.integrations.backups.manifest import Shrunk
from project.integrations.backups.retention import Keep
from project.settings import Settings
from tests.support.ftp_server import FtpServer, running_ftp, write_tree

TREE = {"a.txt": b"a", "long": bytes(500_000), "sub/b": b"b", "sub/c": b"c", "sub/deep/d": b""}
INFINITE = '{"content": {"files": Infinity}}'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    """A server with five files, and an empty folder."""
    folder = tmp_path / "server"
    write_tree(folder, TREE)
    (folder / "empty").mkdir()
    with running_ftp(folder) as server:
        yield server


@pytest.fixture
def settings(server: FtpServer, tmp_path: Path) -> Settings:
    """Settings that point there."""
    return server.settings(tmp_path)


def _make(settings: Settings, accept_shrink: bool = False) -> str:
    """Make a backup as the task does; return its name."""
    guard = manifest.guard(settings.backups, "ftp", accept_shrink)
    fill = partial(ftp_mirror.write, settings, report=lambda *_: None, guard=guard)
    return str(archives.make(settings.backups, "ftp", ".tar.gz", fill, Keep(3, 0, 0))["name"])


@pytest.mark.parametrize("harm", ["empty", "few files", "few bytes"])
def test_a_backup_that_has_lost_nearly_everything_is_refused(server: FtpServer, settings: Settings, harm: str) -> None:
    """The mirror and the archives stay, however often it is tried, until accept_shrink=True allows the loss."""
    write_tree(server.folder, {f"many/{number}": b"m" for number in range(30)})
    good = _make(settings)
    for each in sorted(server.folder.rglob("*"), reverse=True):
        if each.is_file() and (harm == "empty" or each.name == "long" or (harm == "few files" and each.name != "7")):
            each.unlink()
    for _ in range(4):
        with pytest.raises(
            Shrunk, match=rf"where {good} has .*: nothing was backed up or deleted; .*accept_shrink=true"
        ):
            _make(settings)
    assert [each.path.name for each in archives.all_of(settings.backups, "ftp")] == [good]
    assert (settings.backups / "ftp/files/long").exists()
    small = _make(settings, accept_shrink=True)
    assert _make(settings) > small > good


@pytest.mark.parametrize("text", [None, "[]", "{", "[" * 100_000, INFINITE])
def test_an_archive_without_a_manifest_is_counted(server: FtpServer, settings: Settings, text: str | None) -> None:
    """Older archives have no manifest, and a manifest may be damaged."""
    name = _make(settings)
    path = settings.backups / f"{name}.json"
    path.write_text(text) if text else path.unlink()
    with pytest.raises(Shrunk, match=f"there are 0 files where {name} has 5:"):
        _make(settings.model_copy(update={"ftp_folder": "empty"}))


@pytest.mark.parametrize(
    "harm",
    [b"", b"gpg encrypted", gzip.compress(b"x" * 5000), gzip.compress(bytes(5000))[:20]],
    ids=["empty", "encrypted", "of another kind", "cut"],
)
def test_a_broken_archive_is_no_reason_to_refuse_a_backup(server: FtpServer, settings: Settings, harm: bytes) -> None:
    """The newest one that can be read is compared instead."""
    good, broken = _make(settings), _make(settings)
    (settings.backups / f"{broken}.json").unlink()
    (settings.backups / broken).write_bytes(harm)
    with pytest.raises(Shrunk, match=f"there are 0 files where {good} has 5:"):
        _make(settings.model_copy(update={"ftp_folder": "empty"}))
    assert _make(settings) > broken
