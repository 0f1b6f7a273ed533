"""Define the processes of the stack. Commands are lists, so that no shell has to quote a path or a password."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from project.addresses import in_url
from project.native import nginx_files
from project.native.part import Part
from project.settings import Settings

NOTIFICATIONS = {"CONSUMER_QUEUES": "notifications", "CONSUMER_POOL": "threads", "CONSUMER_SLOTS": "20"}
MAINTENANCE = {"CONSUMER_QUEUES": "maintenance", "CONSUMER_POOL": "prefork", "CONSUMER_SLOTS": "1"}


@dataclass(frozen=True)
class Programs:
    """The paths of the programs that are not written in Python."""

    redis_server: str
    nginx: str


def parts(settings: Settings, run_dir: Path, programs: Programs) -> list[Part]:
    """Return the processes for these settings; docker-compose.yml has the same ones as services."""
    chosen = [_nginx(settings, run_dir, programs), _producer(settings), *_consumers(settings, run_dir)]
    chosen.append(_scheduler(run_dir))
    if settings.own_redis:
        chosen.insert(0, _redis(settings, run_dir, programs))
    if settings.flower_port:
        chosen.append(_flower(settings, run_dir))
    if not settings.smtp_host:
        chosen.append(_mail(settings, run_dir))
    if settings.locust_port:
        chosen.append(_locust(settings))
    return chosen


def _redis(settings: Settings, run_dir: Path, programs: Programs) -> Part:
    """Return the stack's own Redis; its password is in the file `password.conf`, which other users cannot read."""
    folder, host, port = run_dir / "redis", settings.redis_host, str(settings.redis_port)
    command = [programs.redis_server, _literal(folder / "password.conf"), "--bind", host, "--port", port]
    command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", settings.redis_appendfsync]
    command += ["--save", "", "--maxmemory-policy", "noeviction", "--hash-max-ziplist-value", "1024"]
    return Part("redis", command, probe=f"tcp://{in_url(host)}:{port}", first=True, hidden=Settings.secret_names())


def _literal(file: Path) -> str:
    """Escape the path of a configuration file for Redis, which treats a path with *, ? or [ as a pattern.

    If no file matched the pattern, Redis would start without a configuration and so without a password.
    """
    return re.sub(r"[*?\[\\]", r"\\\g<0>", str(file)) if re.search(r"[*?\[]", str(file)) else str(file)


def _nginx(settings: Settings, run_dir: Path, programs: Programs) -> Part:
    """Return NGINX, which starts last: it would answer 502 as long as there is no producer."""
    command, folder = nginx_files.command(programs.nginx), f"{run_dir}/nginx"
    hidden = Settings.secret_names()
    return Part(
        "nginx", command, probe=f"{settings.url}/", folder=folder, hidden=hidden, needs="producer", stdout="access.log"
    )


def _producer(settings: Settings) -> Part:
    port = str(settings.producer_port)
    command = [*script("uvicorn"), "--factory", "project.producer:create_app", "--host", "127.0.0.1", "--port", port]
    command += ["--no-access-log", "--http", "project.api.http_protocol:ProblemProtocol"]
    # with RELOAD, a page that follows all jobs must not delay a restart
    command += ["--timeout-graceful-shutdown", "1" if settings.reload else "31"]
    listen = f"127.0.0.1:{port}" if settings.reload else ""
    probe = f"http://127.0.0.1:{port}/producer/health/ready"
    return Part("producer", command, probe=probe, reload=True, listen=listen)


def _consumers(settings: Settings, run_dir: Path) -> list[Part]:
    """Return the general consumers, and those of the two queues that have their own."""
    kinds: list[tuple[str, int, dict[str, str]]] = [
        ("consumer", settings.consumers, {}),
        ("consumer-notifications", settings.notification_consumers, NOTIFICATIONS),
        ("consumer-maintenance", settings.maintenance_consumers, MAINTENANCE),
    ]
    options = ["--without-mingle"] if settings.reload else []  # mingling takes a second
    return [
        _consumer(run_dir, f"{kind}.{number}", environment, options)
        for kind, count, environment in kinds
        for number in range(1, count + 1)
    ]


def _consumer(run_dir: Path, name: str, environment: dict[str, str], options: list[str]) -> Part:
    """Return a consumer that maps SIGTERM to SIGQUIT, which starts Celery's soft shutdown."""
    command = _celery("project.consumer", "worker", "--hostname", f"{name}@%h", *options)
    environment = {"REMAP_SIGTERM": "SIGQUIT"} | environment
    return Part(name, command, environment, probe=str(run_dir / f"{name}.alive"), reload=True)


def _scheduler(run_dir: Path) -> Part:
    command = _celery("project.consumer", "beat", "--pidfile=")
    return Part("scheduler", command, probe=str(run_dir / "scheduler.alive"), reload=True)


def _flower(settings: Settings, run_dir: Path) -> Part:
    port = settings.flower_port
    options = ["--address=127.0.0.1", f"--port={port}", "--url_prefix=dashboard", "--persistent=True"]
    options += [f"--db={run_dir}/flower.db", "--state_save_interval=5000", "--max_tasks=10000"]
    options += ["--purge_offline_workers=60", "--logging=none"]
    # in the environment: the URL contains a password, and Flower does not read our settings
    environment = {"FLOWER_BROKER_API": settings.flower_broker_api.get_secret_value()}
    probe = f"http://127.0.0.1:{port}/dashboard/healthcheck"
    return Part("flower", _celery("project.dashboard", "flower", *options), environment, probe)


def _mail(settings: Settings, run_dir: Path) -> Part:
    address = f"127.0.0.1:{settings.smtp_port}"
    command = [*script("aiosmtpd"), "--nosetuid", "--smtputf8", "--listen", address]
    command += ["--class", "aiosmtpd.handlers.Mailbox", f"{run_dir}/mail"]
    return Part("mail", command, probe=f"tcp://{address}", hidden=Settings.secret_names())


def _locust(settings: Settings) -> Part:
    port = str(settings.locust_port)
    command = [*script("locust"), "--locustfile", "locust/locustfile.py", "--web-host", "127.0.0.1"]
    command += ["--web-port", port, "--web-base-path", "/load-test", "--users", "10", "--host", settings.url]
    return Part("locust", command, probe=f"http://127.0.0.1:{port}/load-test/", hidden=Settings.secret_names())


def _celery(app: str, *arguments: str) -> list[str]:
    return [*script("celery"), "--quiet", "--app", app, *arguments]


def script(name: str) -> list[str]:
    """Return the command of a script in the venv, without its first line, which breaks if the venv has been moved."""
    return [sys.executable, str(Path(sys.executable).parent / name)]
