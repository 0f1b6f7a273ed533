"""The NGINX files: accepted by the real binary, and without the mistakes that gixy knows."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from project.native import binaries, nginx_files
from tests.support.nginx import ODD_NAME, VALUES

IN_CONTAINERS = {
    "NGINX_LISTEN": "80",
    "NGINX_RESOLVER": "resolver 127.0.0.11 valid=2s ipv6=off;",
    "NGINX_RESOLVE": "resolve",
    "PRODUCER_ADDRESS": "producer:8000",
    "NGINX_MAIL": "maildev",
    "RATE_LIMIT": "10",
    "RATE_LIMIT_EXEMPT": "2001:db8::/32",
    "NGINX_RATE": "10",
}


IPV6 = {"NGINX_LISTEN": "[::1]:8080", "NGINX_HOSTS": "[::1] localhost", "RATE_LIMIT_EXEMPT": "::1"}
BOTH = {"NGINX_LISTEN": "[::]:8080", "NGINX_HOSTS": "[::1] [::] localhost", "NGINX_BOTH_FAMILIES": "ipv6only=off"}


LONG_NAME = {"NGINX_HOSTS": f"127.0.0.1 {'.'.join(['x' * 62] * 4)}"}


@pytest.fixture(
    params=[VALUES, VALUES | IN_CONTAINERS, VALUES | IPV6, VALUES | BOTH, VALUES | LONG_NAME],
    ids=["native", "containers", "IPv6", "both", "long name"],
)
def rendered(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The configuration as one of the two ways of running has it, in a folder whose name has what NGINX interprets."""
    folder = tmp_path / ODD_NAME / "nginx"
    nginx_files.render(folder, request.param)
    return folder


def test_nginx_accepts_its_configuration(rendered: Path) -> None:
    """`nginx -t` with the binary that `make up` would use."""
    command = [*nginx_files.command(binaries.nginx()), "-t"]
    run = subprocess.run(command, cwd=rendered, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "warn" not in run.stderr.replace('the "user" directive', "")


def test_lock_files_of_an_editor_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emacs makes a link to nowhere beside a file with unsaved changes."""
    shutil.copytree("nginx", tmp_path / "nginx")
    (tmp_path / "nginx/templates/.#server.conf.template").symlink_to("ann@laptop.4711")
    monkeypatch.chdir(tmp_path)
    nginx_files.render(tmp_path / "run", VALUES)
    assert sorted(path.name for path in (tmp_path / "run/conf.d").iterdir()) == [
        "limits.conf",
        "server.conf",
        "upstreams.conf",
    ]


def test_files_that_nginx_refuses_stop_the_start(tmp_path: Path) -> None:
    """The line names the cause; NGINX would otherwise be restarted until it is given up."""
    nginx_files.render(tmp_path / "nginx", VALUES | {"RATE_LIMIT_EXEMPT": "everybody"})
    with pytest.raises(SystemExit, match=r'nginx cannot start: .*"everybody"'):
        nginx_files.refuse_invalid(binaries.nginx(), tmp_path / "nginx")


@pytest.mark.parametrize(
    ("version", "used"),
    [("1.18.0", False), ("1.24.0", False), ("1.30.3", False), ("1.30.4", True), ("1.31.2", False), ("1.31.3", True)],
)
def test_an_nginx_of_the_machine_is_used_if_it_has_the_fixes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, used: bool
) -> None:
    """Older ones have CVE-2026-42533, and 1.18 does not know our options."""
    program = tmp_path / "nginx"
    program.write_text(f"#!/bin/sh\necho 'nginx version: nginx/{version} (Debian)' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (binaries.nginx() == str(program)) == used


def test_gixy_finds_nothing(rendered: Path) -> None:
    """Header inheritance, path traversal, host spoofing and the like."""
    gixy = Path(sys.executable).parent / "gixy"
    # Flower compares Origin with Host, port included, and $host has no port; Locust's connections are used once
    command = [str(gixy), "--skips", "host_spoofing,low_keepalive_requests", "nginx.conf"]
    run = subprocess.run(command, cwd=rendered, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "No issues found" in run.stdout


def test_every_template_variable_is_filled_in(rendered: Path) -> None:
    """A name that is forgotten in one of the two ways would reach NGINX as it is."""
    assert [path for path in rendered.rglob("*.conf") if "${" in path.read_text()] == []


@pytest.mark.parametrize(("limit", "rate"), [("0", "1"), ("10", "10")])
def test_a_container_has_a_rate_that_nginx_accepts(tmp_path: Path, limit: str, rate: str) -> None:
    """As `make up` has it: a zone cannot have the rate 0."""
    entrypoint = tmp_path / "entrypoint.sh"
    entrypoint.write_text(Path("nginx/entrypoint.sh").read_text().replace("/docker-entrypoint.sh", ""))
    command = ["sh", str(entrypoint), "env"]
    run = subprocess.run(command, env={"RATE_LIMIT": limit}, check=True, capture_output=True, text=True)
    assert f"NGINX_RATE={rate}" in run.stdout.splitlines()
