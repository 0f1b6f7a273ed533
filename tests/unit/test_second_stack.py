"""A second stack beside the first, and settings that are misspelt where nothing reads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.client.options import parse
from project.misspelt import refuse_misspelt_settings
from project.settings import Settings, get_settings
from project.startup import ROOT


def test_port_offset_moves_every_port_and_the_folder() -> None:
    """One setting is enough for a second stack."""
    settings = Settings(_env_file=None, port_offset=100, flower_port=0)
    assert (settings.http_port, settings.redis_port, settings.smtp_port) == (8180, 6479, 1125)
    assert (settings.flower_port, settings.run_dir) == (0, ROOT / ".run-100")
    elsewhere = Settings(_env_file=None, port_offset=100, redis_host="redis", smtp_host="mail", run_dir="mine")
    assert (elsewhere.redis_port, elsewhere.smtp_port, elsewhere.run_dir) == (6379, 1025, ROOT / "mine")


def test_a_port_that_is_too_high_is_refused() -> None:
    """The message names both settings."""
    with pytest.raises(ValueError, match="PORT_OFFSET moves HTTP_PORT to 68080"):
        Settings(_env_file=None, port_offset=60000)


def test_the_client_asks_where_the_settings_let_the_stack_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` and the environment are enough; GLASSQUEUE_URL wins."""
    monkeypatch.delenv("GLASSQUEUE_URL", raising=False)
    monkeypatch.setenv("HTTP_PORT", "9000")
    monkeypatch.setenv("PORT_OFFSET", "5")
    get_settings.cache_clear()
    assert parse(["tasks"]).url == "http://127.0.0.1:9005"
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"CONSUMER": "3"}, "CONSUMER: there is no such setting; did you mean CONSUMERS?"),
        ({"CONSUMRES": "3"}, "CONSUMRES: there is no such setting; did you mean CONSUMERS?"),
        ({"SMTP_PASWORD_FILE": "3"}, "SMTP_PASWORD_FILE: there is no such setting; did you mean SMTP_PASSWORD_FILE?"),
        ({"MAKEFLAGS": " -- QUEUES=3"}, "QUEUES: there is no such setting;"),
        (
            {"MAKEFLAGS": r"rR -- SMTP_USER=a\ B=c CONSUMRES=3"},
            "CONSUMRES: there is no such setting; did you mean CONSUMERS?",
        ),
        ({"MAKEFLAGS": " -- CONSUMRES:=3"}, "CONSUMRES: there is no such setting; did you mean CONSUMERS?"),
        ({"MAKEFLAGS": " -- PORT-OFFSET=100"}, "PORT-OFFSET: there is no such setting; did you mean PORT_OFFSET?"),
        (
            {"MAKEFLAGS": r" -- SMTP_USER=a\ b SMTP_PASSWORD=pa$$$$w0rd\ $${HOME} LEASE=9"},
            "SMTP_PASSWORD contains a $, which make replaces; set it before the command: SMTP_PASSWORD='...' make up",
        ),
    ],
)
def test_a_misspelt_setting_is_named(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], says: str) -> None:
    """In one line, with the setting that is meant."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        refuse_misspelt_settings()
    assert str(stopped.value).startswith(f"glassqueue: {says}") and "\n" not in str(stopped.value)


@pytest.mark.parametrize("target", ["up", "dev", "down", "reset", "consumer", "redis-cli", "debug", "doctor", "logs"])
def test_a_misspelt_setting_stops_every_command(target: str) -> None:
    """With that line and nothing else: the command would run for another stack, or with defaults."""
    run = ["make", "--no-print-directory", "--old-file=.venv/native", target, "PORT_OFSET=100", "QUEUE=cpu"]
    done = subprocess.run(run, env=os.environ, check=False, capture_output=True, text=True, timeout=60)
    line, *_ = done.stderr.splitlines()
    assert line == "glassqueue: PORT_OFSET: there is no such setting; did you mean PORT_OFFSET? (see .env.example)"
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "program",
    [
        "import project.consumer",
        "import project.dashboard",
        "from project.producer import create_app; create_app()",
    ],
)
def test_a_misspelt_setting_in_a_container_is_one_line_of_warning(program: str) -> None:
    """Whatever else Docker sets; the process goes on."""
    environment = os.environ | {
        "IN_CONTAINERS": "true",
        "CONSUMR_SLOTS": "3",
        "RESULTTTL": "9",
        "HTTPS_PROXY": "",
        "HOME": "/",
    }
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, env=environment, check=True, capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert line.startswith("glassqueue: warning: ")
    assert "CONSUMR_SLOTS: there is no such setting; did you mean CONSUMER_SLOTS?" in line
    assert "RESULTTTL: there is no such setting; did you mean RESULT_TTL?" in line
    assert "HTTPS_PROXY" not in line


def test_a_relative_folder_is_in_the_project_wherever_a_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All processes of a stack mean the same one."""
    monkeypatch.chdir(tmp_path)
    settings = Settings(run_dir="mine", backup_folder="kept")
    assert (settings.run_dir, settings.backups) == (ROOT / "mine", ROOT / "kept")
    assert settings.database == f"sqlite:///{ROOT}/mine/records.db"
    assert Settings().run_dir == ROOT / ".run"
    assert Settings(run_dir=tmp_path).run_dir == tmp_path
    assert Settings(run_dir="~/mine").run_dir == Path.home() / "mine"


def test_the_commands_find_a_stack_from_any_folder(tmp_path: Path) -> None:
    """`make down` of a relative RUN_DIR looks in the project's folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RUN_DIR": ".run-nowhere"}
    run = [sys.executable, "-m", "project.native", "down"]
    done = subprocess.run(run, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"glassqueue: no stack runs in {ROOT}/.run-nowhere\n"
