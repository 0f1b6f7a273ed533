"""Compose reads from `.env` what we read."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.test_env_file import SAME

pytestmark = pytest.mark.timeout(900)  # the last test of all stops the stacks

COMPOSE = """
services:
  one:
    image: none
    env_file: [.env]
    environment: {IN_COMPOSE_FILE: "${SMTP_USER:-}"}
"""


@pytest.mark.parametrize("written", SAME)
def test_compose_reads_the_same_values(tmp_path: Path, written: str) -> None:
    """It reads them the same for `env_file` and for variables in the compose file."""
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    (tmp_path / ".env").write_text(f"SMTP_USER={written}\n")
    command = ["docker", "compose", "config", "--format", "json"]
    run = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    environment = json.loads(run.stdout)["services"]["one"]["environment"]
    # `config` prints $$ for $, so that its output is a compose file
    read = {name: value.replace("$$", "$") for name, value in environment.items()}
    assert read == {"SMTP_USER": SAME[written], "IN_COMPOSE_FILE": SAME[written]}
