"""Schemathesis sends what the OpenAPI document allows and forbids, through NGINX."""

import subprocess
import sys
from pathlib import Path


def test_no_request_makes_a_server_error_or_breaks_the_schema(url: str, tmp_path: Path) -> None:
    """Every answer has a documented status, type and shape; what the schema forbids is refused."""
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/producer/openapi.json"]
    options = ["--checks=all", "--max-examples=40", "--seed=1", "--generation-deterministic", "--workers=1"]
    run = subprocess.run([*command, *options], check=False, capture_output=True, text=True, timeout=110, cwd=tmp_path)
    assert run.returncode == 0, run.stdout[-6000:]
