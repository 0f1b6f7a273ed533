"""`.env`: each value is read as written, or the start stops with a line that says how to write it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from project import env_file
from project.env_file import EnvFileError
from project.settings import Settings, get_settings

SECRET = "pa$$w0rd${HOME}x#1 \"ä\" \\n 'q' %s {} ;"
SAME = {  # a value in the file, and what Compose and we read
    "plain": "plain",
    "two words": "two words",
    " around ": "around",
    "a#b": "a#b",
    "a'b": "a'b",
    "C:\\temp\\new": "C:\\temp\\new",
    "a=b": "a=b",
    "ä€": "ä€",
    "'a #b'": "a #b",
    "'a' # a comment": "a",
    "'pa$$w0rd${HOME}x#1'": "pa$$w0rd${HOME}x#1",
    "'a\\'b$c'": "a'b$c",
    "'a\\\\b\\n'": "a\\\\b\\n",
    "'  a '": "  a ",
    '"a \'#b"': "a '#b",
    "''": "",
    "": "",
    "postgresql+psycopg://u:p%2F@[::1]:5432/d": "postgresql+psycopg://u:p%2F@[::1]:5432/d",
}
REFUSED = [
    "pa$$w0rd${HOME}x#1", '"pa$$w0rd"', "a$", "$HOME", "hunter2 #1", "hunter2\t#1", "#hunter2", '"hun\\ter2"', "'hunter2",
    "'hunter2'x", '"hunter2"x', "'hun'\\''ter2'", "hun\x0bter2", "hunter\xa02",
]  # fmt: skip


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `.env` that is empty so far."""
    monkeypatch.setattr(env_file, "PATH", tmp_path / ".env")
    get_settings.cache_clear()
    return tmp_path / ".env"


@pytest.mark.parametrize("written", SAME)
def test_a_value_is_read_as_written(env: Path, written: str) -> None:
    """tests/docker has the same values read by Compose."""
    env.write_text(f"SMTP_USER={written}\n")
    assert env_file.read(env).get("SMTP_USER", "") == SAME[written]


@pytest.mark.parametrize("written", REFUSED)
def test_a_value_that_compose_would_change_stops_the_start(env: Path, written: str) -> None:
    """With the name and the line, and without the value."""
    env.write_text(f"# mail\n\nSMTP_PASSWORD={written}\n")
    with pytest.raises(EnvFileError, match=r"line 3: SMTP_PASSWORD") as error:
        Settings()
    assert "hunter2" not in str(error.value) and "pa$$" not in str(error.value)


def test_any_secret_can_be_written_in_single_quotes(env: Path) -> None:
    """With a backslash before each single quote in it."""
    quoted = SECRET.replace("'", "\\'")
    env.write_text(f"REDIS_PASSWORD='{quoted}'\n")
    assert Settings().redis_password.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "line", ["SMTP_USER", "SMTP_USER: me", "smtp_user=me", "=me", "SMTP-USER=me", "sudo SMTP_USER=me"]
)
def test_a_line_that_is_not_a_setting_stops_the_start(env: Path, line: str) -> None:
    """Compose would ignore it, or take it for another name."""
    env.write_text(f"{line}\n")
    with pytest.raises(EnvFileError, match="line 1: a line is NAME=value"):
        Settings()


def test_files_of_other_systems_are_read(env: Path) -> None:
    """A byte order mark, Windows' line ends, `export`, and no line end at the end."""
    env.write_bytes(b"\xef\xbb\xbfHTTP_PORT=81\r\n\r\n# comment\r\n  export LEASE = 7\r\nSMTP_HOST='h'")
    settings = Settings()
    assert (settings.http_port, settings.lease, settings.smtp_host) == (81, 7, "h")


def test_settings_of_docker_may_be_in_the_same_file(env: Path) -> None:
    """COMPOSE_FILE and the like are Compose's own."""
    env.write_text("COMPOSE_FILE=docker-compose.yml:docker-compose.rabbitmq.yml\nCOMPOSE_PROJECT_NAME=mine\n")
    assert Settings().http_port == 8080


def test_all_wrong_lines_are_named_at_once(env: Path) -> None:
    """One line of text for each."""
    env.write_text("SMTP_PASSWORD=a$b\nHTTP_PORT=81\nhttp_port=82\n")
    with pytest.raises(SystemExit) as stopped:
        get_settings()
    lines = str(stopped.value).splitlines()
    assert [re.sub(r"glassqueue: .*\.env, (line \d): .*", r"\1", line) for line in lines] == ["line 1", "line 3"]


def test_a_misspelt_name_is_called_unknown(env: Path) -> None:
    """As one in the environment is."""
    env.write_text("HTTP_PROT=9000\n")
    with pytest.raises(SystemExit, match="glassqueue: HTTP_PROT: there is no such setting"):
        get_settings()


def test_a_folder_stops_the_start(env: Path) -> None:
    """Docker makes one for a file that it shall mount and that is not there."""
    env.mkdir()
    with pytest.raises(SystemExit, match=r"glassqueue: .*\.env: Is a directory$"):
        get_settings()


def test_a_file_that_is_not_utf_8_stops_the_start(env: Path) -> None:
    """Compose would put another character there."""
    env.write_bytes("SMTP_PASSWORD=hunter2ä".encode("latin-1"))
    with pytest.raises(SystemExit, match="is not UTF-8") as stopped:
        get_settings()
    assert "hunter2" not in str(stopped.value)


def test_a_missing_file_that_the_environment_names_stops_the_start(tmp_path: Path) -> None:
    """With one line: without its settings, the stack would start with its own Redis and catch all mail."""
    for named in (tmp_path / "prdo.env", tmp_path / "link"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to("nowhere")
        run = [sys.executable, "-c", "from project.settings import get_settings; get_settings()"]
        environment = os.environ | {"GLASSQUEUE_ENV_FILE": str(named)}
        done = subprocess.run(run, env=environment, check=False, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (1, f"glassqueue: {named}: there is no such file\n")


def test_a_link_to_a_missing_file_stops_the_start(env: Path) -> None:
    """It was made to be read, unlike a file that was never there."""
    assert Settings().http_port == 8080
    env.symlink_to("nowhere")
    with pytest.raises(EnvFileError, match="there is no such file"):
        Settings()
