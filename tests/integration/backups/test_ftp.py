"""The mirror of an FTP server, with a real one."""

import json
import os
import re
import ssl
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from project.integrations.backups import ftp, ftp_listing, ftp_mirror
from project.integrations.backups.archives import BackupError
from project.settings import Settings
from tests.support.ftp_server import BUSY, DROPS, RESTARTS, STALLS, FtpServer, running_ftp, write_tree
from tests.support.mail import RawServer
from tests.support.stopwatch import takes_less_than
from tests.support.wait import wait_until

LONG = bytes(range(256)) * 2000
TREE = {"a.txt": b"a", "long": LONG, "sub/b c.txt": b"b", "sub/deep/é": b"", "sub/\udcff": b"no UTF-8"}
CHILD = """
import sys
from pathlib import Path
from project.integrations.backups import ftp_mirror
from project.settings import Settings

ftp_mirror.write(Settings(_env_file=None), Path(sys.argv[1]), lambda fraction, text: None)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    """A server with some files."""
    folder = tmp_path / "server"
    write_tree(folder, TREE)
    with running_ftp(folder) as server:
        yield server


@pytest.fixture
def settings(server: FtpServer, tmp_path: Path) -> Settings:
    """Settings that point there."""
    return server.settings(tmp_path)


def _update(settings: Settings, reports: list[tuple[float, str]] | None = None) -> dict[str, Any]:
    """Bring the mirror up to date and pack it."""
    settings.backups.mkdir(exist_ok=True)
    seen: list[tuple[float, str]] = [] if reports is None else reports
    return ftp_mirror.write(settings, settings.backups / "new", lambda *report: seen.append(report))


def _manifest(settings: Settings) -> dict[str, Any]:
    return dict(json.loads((settings.backups / "new.json").read_text()))


def _packed(settings: Settings) -> dict[str, bytes]:
    with tarfile.open(settings.backups / "new") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]


def test_an_archive_has_every_file_as_it_is(server: FtpServer, settings: Settings) -> None:
    """It has files of all folders, empty files and names with any bytes; progress is reported up to the end."""
    reports: list[tuple[float, str]] = []
    amiss = {"left_out": 0, "left_out_names": [], "truncated": 0, "truncated_names": []}
    assert _update(settings, reports) == {"files": 5, "fetched": 5, **amiss}
    assert _manifest(settings)["content"] == {"files": 5, "bytes": len(LONG) + 10}
    assert _packed(settings) == TREE
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions) and 0.9 < fractions[-1] <= 1
    assert any("file 2 of 5: " in text for _, text in reports)


def test_only_what_is_new_or_changed_is_fetched_again(server: FtpServer, settings: Settings) -> None:
    """What is gone on the server is gone in the next archive; a file may become a folder, and a folder a file."""
    _update(settings)
    server.fetched.clear()
    assert (_update(settings)["fetched"], server.fetched) == (0, [])
    os.utime(server.folder / "a.txt", (1, 1))
    (server.folder / "sub/b c.txt").write_bytes(b"more")
    (server.folder / "sub/\udcff").unlink()
    (server.folder / "sub/deep/é").unlink()
    (server.folder / "sub/deep").rmdir()
    (server.folder / "long").unlink()
    write_tree(server.folder, {"long/new": b"n", "sub/deep": b"d"})
    assert _update(settings)["fetched"] == 4
    assert _packed(settings) == {"a.txt": b"a", "long/new": b"n", "sub/b c.txt": b"more", "sub/deep": b"d"}


def test_a_killed_backup_goes_on_where_it_was(server: FtpServer, settings: Settings) -> None:
    """Killed with -9 in the middle of the second file: the first is not fetched again, the second from there on."""
    server.mischief["long"] = STALLS
    settings.backups.mkdir()
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(settings.backups / "new")], env=server.environment())
    try:
        halves = settings.backups / "ftp/halves"
        wait_until(lambda: len(server.fetched) == 2 and any(half.stat().st_size for half in halves.iterdir()))
    finally:
        child.kill()
        child.wait()
    assert [name for name, _ in server.fetched] == ["a.txt", "long"]
    server.mischief.clear()
    server.fetched.clear()
    _update(settings)
    assert "a.txt" not in dict(server.fetched)
    assert 0 < dict(server.fetched)["long"] < len(LONG)
    assert _packed(settings) == TREE


def test_a_dropped_connection_is_an_error_to_try_again_after(server: FtpServer, settings: Settings) -> None:
    """Nothing half is in the mirror, and the next try goes on."""
    server.mischief["long"] = DROPS
    with pytest.raises((EOFError, OSError)):
        _update(settings)
    assert not (settings.backups / "ftp/files/long").exists()
    assert _update(settings)["fetched"] == 4
    assert _packed(settings) == TREE


def test_a_file_that_is_shorter_than_listed_is_left_out(server: FtpServer, settings: Settings) -> None:
    """It shrank, or the server lists a wrong size; all others are there, and the older copy stays."""
    _update(settings)
    (server.folder / "b").write_bytes(b"b")
    server.lines += [f"type=file;size=7;modify=20200101000000; {name}" for name in ("a.txt", "b")]
    summary = _update(settings)
    assert (summary["left_out"], summary["left_out_names"]) == (2, ["a.txt", "b"])
    assert _manifest(settings)["left_out"]["b"] == "the server listed 7 bytes and sent 1"
    assert _packed(settings) == TREE


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_file_that_is_longer_than_listed_takes_no_more_room_than_listed(
    server: FtpServer, settings: Settings, size: int
) -> None:
    """What was listed of it is kept, each backup says so, and the files after it are fetched."""
    server.lines.append(f"type=file;size={size};modify=20200101000000; long")
    for _ in range(2):
        summary = _update(settings)
        assert (summary["truncated"], summary["truncated_names"], summary["left_out"]) == (1, ["long"], 0)
        assert _manifest(settings)["truncated"] == {
            "long": f"it is longer than listed: only the first {size} bytes were fetched"
        }
        assert _packed(settings) == TREE | {"long": LONG[:size]}
    server.lines.clear()
    assert _update(settings)["truncated"] == 0
    assert _packed(settings) == TREE


def test_a_file_that_goes_on_is_fetched_anew_from_a_server_that_cannot(server: FtpServer, settings: Settings) -> None:
    """It sends the first bytes again, which must not be taken for the rest."""
    server.mischief["long"] = DROPS
    with pytest.raises((EOFError, OSError)):
        _update(settings)
    server.mischief["long"] = RESTARTS
    assert _update(settings)["truncated"] == 0
    assert _packed(settings) == TREE


def test_files_that_cannot_be_had_do_not_stop_the_others(server: FtpServer, settings: Settings) -> None:
    """One that is locked, is gone, is a folder too, is larger than the disk, or is listed without its size."""
    server.mischief["a.txt"] = BUSY
    facts = "modify=20200101000000"
    server.lines += [f"type=file;size=1;{facts}; gone", f"type=file;size=1;{facts}; sub", f"type=file;{facts}; no size"]
    server.lines += [f"type=file;size={10**17};{facts}; huge", f"type=file;size=-1;{facts}; minus"]
    server.lines += ["type=file;size=1;modify=yesterday; when", "nonsense", "", f"type=file;{'x' * 20_000}; line"]
    summary = _update(settings)
    assert _packed(settings) == {name: content for name, content in TREE.items() if name != "a.txt"}
    left_out = _manifest(settings)["left_out"]
    assert summary["left_out"] == len(left_out)
    assert left_out["a.txt"] == "450 busy"
    assert left_out["gone"].startswith("550 ")
    assert left_out["sub"] == "it is listed both as a file and as a folder"
    assert re.fullmatch(
        f"it is listed with {10**17} bytes, but only [0-9]+ are free on the local disk", left_out["huge"]
    )
    assert {left_out[name] for name in ("no size", "minus", "when")} == {"it is listed without a size or a time"}


def test_more_files_than_we_can_list_are_refused(
    server: FtpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing without end must not fill the memory."""
    monkeypatch.setattr(ftp_listing, "MOST", 6)
    with pytest.raises(BackupError, match="more than 6 files: set FTP_FOLDER to a smaller folder"):
        _update(settings)


def test_a_name_that_is_too_long_for_the_disk_is_left_out(server: FtpServer, settings: Settings) -> None:
    """Otherwise it would fail each backup; a name of 255 bytes is kept."""
    write_tree(server.folder, {"n" * 255: b"n"})
    server.lines.append(f"type=file;size=1;modify=20200101000000; {'n' * 256}")
    summary = _update(settings)
    assert (summary["files"], summary["left_out_names"]) == (6, ["n" * 256])
    assert _packed(settings) == {**TREE, "n" * 255: b"n"}


def test_a_path_that_is_too_long_for_the_disk_does_not_fit(tmp_path: Path) -> None:
    """The folder of the mirror counts too."""
    mirror = ftp_mirror.Mirror(tmp_path)
    room = os.pathconf(tmp_path, "PC_PATH_MAX") - len(os.fsencode(mirror.files)) - 2  # slash and NUL
    path = ("d" * 99 + "/") * 50
    assert mirror._fits(path[: room - 1] + "x") and not mirror._fits(path[:room] + "x")


@pytest.mark.parametrize(
    "name", ["../out", "/etc/out", "..", ".", "", "a/b", "bell\a", "with\nline; end", "back\\slash"]
)
@pytest.mark.parametrize("kind", ["file", "dir"])
def test_a_name_from_the_server_leads_nowhere_else(server: FtpServer, settings: Settings, kind: str, name: str) -> None:
    """The entry is left out and counted in the result; all other files are archived under their own paths."""
    server.lines.append(f"type={kind};size=1;modify=20200101000000; {name}")
    (server.folder.parent / "out").write_bytes(b"o")
    _update(settings)
    summary = _update(settings)
    assert summary["left_out"] >= 1
    assert _packed(settings) == TREE
    assert not Path("/etc/out").exists()


def test_a_file_that_cannot_be_fetched_keeps_its_old_copy(server: FtpServer, settings: Settings) -> None:
    """An unreadable file and an unreadable folder are reported; their previous copies are kept."""
    _update(settings)
    server.lines += ["type=file;size=9;modify=20200101000000; a.txt", "type=dir; gone"]
    write_tree(settings.backups / "ftp/files", {"gone/kept": b"k"})
    (server.folder / "a.txt").unlink()
    assert _update(settings)["left_out_names"] == ["a.txt", "gone"]
    assert _packed(settings) == TREE | {"gone/kept": b"k"}


def test_a_folder_of_the_server_can_be_chosen(server: FtpServer, settings: Settings) -> None:
    """And one that is not there is an error that names the setting."""
    _update(settings.model_copy(update={"ftp_folder": "/sub/deep"}))
    assert _packed(settings) == {"é": b""}
    with pytest.raises(BackupError, match="FTP_FOLDER: 550"):
        _update(settings.model_copy(update={"ftp_folder": "nowhere"}))


def test_folders_in_each_other_without_end_are_left_out(server: FtpServer, settings: Settings) -> None:
    """Folders below the fiftieth, and a link that leads back up and is shown as a folder."""
    for number in range(60):
        (server.folder / f"{'x/' * number}x").mkdir()
    (server.folder / "sub/up").symlink_to(server.folder / "sub")
    summary = _update(settings)
    assert summary["left_out_names"] == ["sub/up", "x/" * 50 + "x"]
    assert _manifest(settings)["left_out"]["sub/up"] == "it is a folder that contains itself"
    assert _packed(settings).items() >= TREE.items()


def test_a_wrong_password_fails_at_once_and_is_never_shown(server: FtpServer, tmp_path: Path) -> None:
    """A refused login is not retried, unlike a server that is away."""
    settings = server.settings(tmp_path, ftp_password="canary-wrong")
    with pytest.raises(ftp.LoginRefused, match="refuses the login of someone: 530") as caught:
        _update(settings)
    assert "canary" not in str(caught.value)
    found = ftp.check(settings)
    assert (found.state, found.cure) == ("failed", "correct FTP_USER, FTP_PASSWORD, FTP_FOLDER or FTP_SECURITY")


def test_a_server_without_tls_is_not_taken_for_a_wrong_password(server: FtpServer, tmp_path: Path) -> None:
    """It refuses to encrypt; neither user nor password has been sent."""
    settings = server.settings(tmp_path, ftp_security="tls")
    with pytest.raises(BackupError, match=r"127.0.0.1 does not offer TLS: 50.*; set FTP_SECURITY=none"):
        _update(settings)
    assert "does not offer TLS" in ftp.check(settings).found


def test_the_check_says_what_is_reachable(server: FtpServer, settings: Settings, tmp_path: Path) -> None:
    """Off, in, or away."""
    assert ftp.check(Settings(_env_file=None)).state == "off"
    assert ftp.check(settings).found == f"127.0.0.1:{server.port} accepts someone"
    away = ftp.check(server.settings(tmp_path, ftp_port=1))
    assert (away.state, away.found) == ("failed", "127.0.0.1:1: [Errno 111] Connection refused")


def test_with_tls_the_certificate_must_be_of_an_authority_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files come encrypted; a server that anyone could be is refused, and the check says how to trust it."""
    authority, certificate = trustme.CA(), tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    write_tree(tmp_path / "server", TREE)
    with running_ftp(tmp_path / "server", certificate) as server:
        settings = server.settings(tmp_path, ftp_security="tls")
        with pytest.raises(ssl.SSLCertVerificationError):
            _update(settings)
        found = ftp.check(settings)
        assert (found.state, "SSL_CERT_FILE" in found.cure) == ("failed", True)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert ftp.check(settings).state == "ok"
        assert _update(settings)["fetched"] == 5
        assert _packed(settings) == TREE
        with pytest.raises(ftp.LoginRefused):  # it takes no login in the clear
            _update(server.settings(tmp_path))


@pytest.mark.parametrize("drip", [b"-", b"220-and more\r\n"])
def test_the_check_does_not_wait_for_a_server_that_talks_without_end(
    monkeypatch: pytest.MonkeyPatch, drip: bytes
) -> None:
    """The greeting has one endless line, or endless lines."""
    monkeypatch.setattr(ftp, "CHECK_TIMEOUT", 0.2)
    server = RawServer(b"220-slow\r\n", drip=drip)
    try:
        with takes_less_than(2):
            found = ftp.check(Settings(_env_file=None, ftp_host="127.0.0.1", ftp_port=server.port))
    finally:
        server.stop()
    assert found.state == "failed" and "not done within 0.4 s" in found.found
