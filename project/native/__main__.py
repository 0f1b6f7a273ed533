"""`make up`: start the stack of the Procfile, wait until it answers, say where it is, stop it on Ctrl-C."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import honcho.manager
from honcho.environ import expand_processes, parse_procfile
from pydantic import SecretStr

from project import migrate
from project.native import binaries, nginx_files, ready
from project.settings import Settings, get_settings

# names of settings that are ports of this machine, and who listens there
PORTS = {
    "http_port": "NGINX",
    "redis_port": "Redis",
    "producer_port": "the producer",
    "flower_port": "Flower",
    "locust_port": "Locust",
    "smtp_port": "caught mail",
}
NOBODY = 9  # the port of the discard protocol: NGINX needs one where a service is not started


def main() -> None:
    """Run the stack until Ctrl-C."""
    settings = get_settings()
    _refuse_ports_in_use(settings)
    run_dir = settings.run_dir.absolute()
    (run_dir / "redis").mkdir(parents=True, exist_ok=True)
    migrate.main()
    environment = _environment(settings, run_dir)
    nginx_files.render(run_dir / "nginx", environment)

    # Honcho kills what has not stopped after this many seconds; it has no option for it
    honcho.manager.KILL_WAIT = settings.shutdown_timeout + 10
    manager = honcho.manager.Manager()
    procfile = parse_procfile(Path("Procfile").read_text())
    processes = expand_processes(procfile.processes, how_many(settings), environment)
    for process in processes:
        manager.add_process(process.name, process.cmd, env=process.env)
    consumers = [process.name for process in processes if process.name.startswith("consumer")]
    # a closed terminal stops the stack as Ctrl-C does
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    threading.Thread(target=ready.announce, args=(settings, consumers), daemon=True).start()
    manager.loop()
    # Ctrl-C and SIGTERM are how one stops it: no error for make to report
    sys.exit(0 if manager.returncode in (130, 143) else manager.returncode)


def how_many(settings: Settings) -> dict[str, int]:
    """Return how many of a process to start, where it is not one."""
    return {
        "consumer": settings.consumers,
        "consumer-notifications": settings.notification_consumers,
        "consumer-maintenance": settings.maintenance_consumers,
        "flower": min(settings.flower_port, 1),
        "locust": min(settings.locust_port, 1),
        "mail": 0 if settings.smtp_host else 1,
    }


def _refuse_ports_in_use(settings: Settings) -> None:
    """Stop with one line if another program listens on a port that the stack needs."""
    for name, who in PORTS.items():
        port = getattr(settings, name)
        if name == "smtp_port" and settings.smtp_host:
            continue  # a port of that host
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.http_bind if name == "http_port" else "127.0.0.1", port))
            except OSError as error:
                sys.exit(f"glassqueue: port {port} for {who}: {error.strerror}. Choose another: {name.upper()}=…")


def _environment(settings: Settings, run_dir: Path) -> dict[str, str]:
    """Return the environment of the Procfile's processes: every setting, and where the binaries are."""
    fields = {name: getattr(settings, name) for name in Settings.model_fields}
    # secrets are read by who needs them; only Redis and Flower, which do not know our settings, are told theirs
    values = {name.upper(): str(value) for name, value in fields.items() if not isinstance(value, SecretStr)}
    for name in ("redis_password", "flower_broker_api"):
        values[name.upper()] = getattr(settings, name).get_secret_value()
    return {
        **os.environ,
        **values,
        "RUN_DIR": str(run_dir),
        "PYTHONUNBUFFERED": "1",
        "REDIS_SERVER": binaries.redis_server(),
        "NGINX_BINARY": binaries.nginx(),
        # as root its workers would become nobody, who may not read this folder
        "NGINX_GLOBALS": f"daemon off; pid {run_dir}/nginx/nginx.pid;" + (" user root;" if os.geteuid() == 0 else ""),
        "NGINX_LISTEN": f"{settings.http_bind}:{settings.http_port}",
        "NGINX_HOSTS": " ".join(sorted(settings.hosts)),
        "NGINX_MAIL": "folder",
        "NGINX_RATE": str(settings.rate_limit or 1),  # a zone cannot have the rate 0
        "NGINX_RESOLVER": "",
        "NGINX_RESOLVE": "",
        "NGINX_TEMP": f"{run_dir}/nginx",
        "NGINX_WEB_ROOT": str(Path("project/web").absolute()),
        "PRODUCER_ADDRESS": f"127.0.0.1:{settings.producer_port}",
        "FLOWER_ADDRESS": f"127.0.0.1:{settings.flower_port or NOBODY}",
        "LOCUST_ADDRESS": f"127.0.0.1:{settings.locust_port or NOBODY}",
        "MAIL_ADDRESS": f"127.0.0.1:{NOBODY}",
    }


if __name__ == "__main__":
    main()
