"""A second stack beside the first, and settings that are misspelt where nothing reads them."""

import os
import subprocess
import sys

import pytest

from project.client.options import parse
from project.settings import Settings, get_settings


def test_port_offset_moves_every_port_and_the_folder() -> None:
    """One setting is enough for a second stack."""
    settings = Settings(_env_file=None, port_offset=100, flower_port=0)
    assert (settings.http_port, settings.redis_port, settings.smtp_port) == (8180, 6479, 1125)
    assert (settings.flower_port, str(settings.run_dir)) == (0, ".run-100")
    elsewhere = Settings(_env_file=None, port_offset=100, redis_host="redis", smtp_host="mail", run_dir="mine")
    assert (elsewhere.redis_port, elsewhere.smtp_port, str(elsewhere.run_dir)) == (6379, 1025, "mine")


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
        ({"MAKEFLAGS": " -- QUEUES=3"}, "QUEUES: there is no such setting;"),
        (
            {"MAKEFLAGS": r"rR -- SMTP_USER=a\ B=c CONSUMRES=3"},
            "CONSUMRES: there is no such setting; did you mean CONSUMERS?",
        ),
    ],
)
def test_a_misspelt_setting_stops_the_start(given: dict[str, str], says: str) -> None:
    """One line names it, and the setting that is meant."""
    run = [sys.executable, "-m", "project.native"]
    done = subprocess.run(run, env=os.environ | given, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"glassqueue: {says}")
