"""Which Redis is started, and which versions are known to have security holes."""

import os
from pathlib import Path

import pytest

from project.health import redis_version
from project.native import binaries

PRINTED = "{name} server v={version} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"


@pytest.mark.parametrize(
    ("name", "version", "fixed"),
    [
        ("Redis", "6.2.14", False),
        ("Redis", "6.2.20", True),
        ("Redis", "7.0.15", False),
        ("Redis", "7.2.10", False),
        ("Redis", "7.2.11", True),
        ("Redis", "7.4.6", True),
        ("Redis", "8.0.3", False),
        ("Redis", "8.2.1", False),
        ("Redis", "8.2.2", True),
        ("Redis", "8.4.0", True),
        ("Valkey", "7.2.4", False),
        ("Valkey", "7.2.11", True),
        ("Valkey", "8.0.6", True),
        ("Valkey", "8.1.3", False),
        ("Valkey", "8.1.4", True),
        ("Valkey", "9.1.2", True),
    ],
)
def test_versions_without_the_fixes_are_known(name: str, version: str, fixed: bool) -> None:
    """As the release notes of each series say; Redis 7.0 got none."""
    found = redis_version.printed(PRINTED.format(name=name, version=version))
    assert found and (str(found), found.fixed) == (f"{name} {version}", fixed)


def test_valkey_is_judged_by_its_own_version() -> None:
    """What it says as `redis_version` is the Redis that it is compatible with."""
    info = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}
    assert str(redis_version.reported(info)) == "Valkey 9.1.2"
    assert str(redis_version.reported({"redis_version": "8.2.2"})) == "Redis 8.2.2"


def _machine_has(folder: Path, monkeypatch: pytest.MonkeyPatch, **servers: str) -> None:
    """Let PATH be one folder with programs that only print their version."""
    for name, version in servers.items():
        program = folder / f"{name}-server"
        program.write_text(f"#!/bin/sh\necho '{PRINTED.format(name=name.title(), version=version)}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("servers", "started"),
    [
        ({"redis": "8.2.2"}, "redis-server"),
        ({"redis": "7.0.15", "valkey": "8.1.4"}, "valkey-server"),
        ({"redis": "8.2.2", "valkey": "8.1.3"}, "redis-server"),
    ],
)
def test_a_server_of_the_machine_that_has_the_fixes_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: dict[str, str], started: str
) -> None:
    """It is the one that the machine's owner keeps up to date."""
    _machine_has(tmp_path, monkeypatch, **servers)
    assert binaries.redis_server() == str(tmp_path / started)


@pytest.mark.parametrize("servers", [{}, {"redis": "7.0.15"}, {"redis": "5.0.3", "valkey": "8.0.1"}])
def test_the_wheels_server_is_started_where_the_machines_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: dict[str, str]
) -> None:
    """And it runs and has the fixes itself."""
    _machine_has(tmp_path, monkeypatch, **servers)
    server = binaries.redis_server()
    assert not server.startswith(str(tmp_path))
    monkeypatch.setenv("PATH", os.defpath)
    version = redis_version.printed(binaries.says(server))
    assert version and version.fixed
