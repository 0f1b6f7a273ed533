"""Describe the machine on which the benchmark runs, without its name."""

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from redis import Redis


def describe(redis: Redis) -> dict[str, str]:
    """Return what matters to the figures."""
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores for everything, Redis and clients included",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"Linux {platform.release().split('-')[0]}, {platform.machine()}",
        "versions": f"Python {platform.python_version()}, {_server(redis)}, "
        + ", ".join(f"{name} {version(name)}" for name in ("celery", "kombu", "redis", "fastapi", "uvicorn")),
        "load": _load_generator(),
        "taken": f"{datetime.now(UTC):%Y-%m-%d}, {os.getloadavg()[2]:.1f} processes busy on average before",
    }


def _processor() -> str:
    models = {
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return ", ".join(sorted(models)) or platform.processor() or "unknown"


def _server(redis: Redis) -> str:
    info = redis.info("server")
    return f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"


def _load_generator() -> str:
    if not shutil.which("wrk"):
        return "a client in Python, as wrk is not installed"
    printed = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(printed.split()[:2])
