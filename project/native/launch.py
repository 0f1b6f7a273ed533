"""Start the stack (`make up`): check everything first, then become the supervisor."""

import os
import secrets
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from project import env_file, migrate, setting_sources
from project.addresses import in_url, is_loopback
from project.health import given_up
from project.native import binaries, bytecode, nginx_files, parts, ports, preload, ready, run_dir, supervisor
from project.native.load_app import load_app
from project.native.supervisor import Plan
from project.settings import Settings, get_settings
from project.startup import ROOT

UNUSED_PORT = 9  # the discard port: NGINX needs an address even for services that are not started
OF_MAKE = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")  # which contain passwords after `make up SMTP_PASSWORD=…`


def up() -> None:
    """Start the stack, or exit with one message that gives the reason."""
    settings = get_settings()
    os.chdir(ROOT)  # the commands of the parts contain paths relative to the project
    folder = settings.run_dir
    os.umask(run_dir.PRIVATE)  # inherited by all parts
    run_dir.refuse_files_of_others(folder)
    lock = run_dir.lock(folder)
    ports.refuse_ports_in_use(settings)
    _choose_password(settings)
    _allow_chaos(settings)
    load_app()
    _warn_of_broker(settings)
    migrate.main()
    _write_files(settings, folder)
    programs = parts.Programs(binaries.redis_server() if settings.own_redis else "", binaries.nginx())
    nginx_files.refuse_invalid(programs.nginx, folder / "nginx")
    banner = ready.banner(settings.url, catches_mail=not settings.smtp_host)
    plan = Plan(
        parts.parts(settings, folder, programs), str(folder), banner, settings.shutdown_timeout + supervisor.GRACE
    )
    environment = _environment(settings, folder)
    if settings.reload:
        plan = replace(plan, watched=settings.folders_of_code, preload=str(preload.write(folder)))
        bytecode.store()
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    supervisor.become(plan, lock, environment)


def _choose_password(settings: Settings) -> None:
    """Generate a password for the stack's own Redis if none is set, and store it for other commands and the next start.

    Every user of this machine can reach the port, and with CONFIG Redis can be made to write files.
    """
    if settings.own_redis and not settings.redis_password.get_secret_value():
        settings.redis_password = SecretStr(secrets.token_urlsafe(32))
        run_dir.write_private(settings.password_file, settings.redis_password.get_secret_value())


def _allow_chaos(settings: Settings) -> None:
    """Enable CHAOS if it is not set and only this machine can reach the stack."""
    if "chaos" not in settings.model_fields_set:
        settings.chaos = is_loopback(settings.http_bind)


def _warn_of_broker(settings: Settings) -> None:
    """Print why a broker elsewhere cannot be used yet: the parts wait for it in silence."""
    if settings.own_broker:
        return  # it is not started yet
    from celery import current_app  # noqa: PLC0415  # load_app() has made it; `make down` starts faster without it

    broker = current_app.broker.check()
    if broker.state == "failed":
        print(f"glassqueue: warning: {broker.found}; {broker.cure}", flush=True)


def _write_files(settings: Settings, folder: Path) -> None:
    """Write the files that Redis and NGINX read, and remove the status files of an earlier run."""
    (folder / "redis").mkdir(exist_ok=True)
    password = "".join(f"\\x{byte:02x}" for byte in settings.redis_password.get_secret_value().encode())
    run_dir.write_private(folder / "redis" / "password.conf", f'requirepass "{password}"\n')
    for old in [*folder.glob("*.alive"), *folder.glob(f"*{given_up.SUFFIX}")]:
        old.unlink()
    nginx_files.render(folder / "nginx", _values(settings) | _nginx_values(settings, folder))
    run_dir.hide(folder)


def _environment(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the environment of all parts, with a copy of `.env`: restarted parts do not read what it says by then."""
    copy = folder / "env"
    run_dir.write_private(copy, env_file.PATH.read_text("utf-8-sig") if env_file.PATH.exists() else "")
    environment = setting_sources.overriding(_values(settings))
    for name in OF_MAKE:
        environment.pop(name, None)
    return environment | {"RUN_DIR": str(folder), "GLASSQUEUE_ENV_FILE": str(copy), "PYTHONUNBUFFERED": "1"}


def _values(settings: Settings) -> dict[str, str]:
    """Return all settings except secrets, which each process reads itself; restarted parts keep the same settings."""
    fields = {name.upper(): getattr(settings, name) for name in Settings.model_fields}
    plain = {name: str(value) for name, value in fields.items() if not isinstance(value, SecretStr)}
    return plain | {"PORT_OFFSET": "0"}  # the ports already include the offset


def _nginx_values(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the other variables of NGINX's templates."""
    return {
        "NGINX_LISTEN": f"{in_url(settings.http_bind)}:{settings.http_port}",
        "NGINX_BOTH_FAMILIES": "ipv6only=off" if settings.http_bind == "::" else "",
        "NGINX_HOSTS": " ".join(sorted(settings.hosts)),
        "NGINX_MAIL": "folder",
        "NGINX_RATE": str(settings.rate_limit or 1),  # a zone cannot have the rate 0
        "NGINX_RESOLVER": "",
        "NGINX_RESOLVE": "",
        "NGINX_TEMP": ".",
        "NGINX_WEB_ROOT": nginx_files.WEB,
        "RATE_LIMIT_EXEMPT": settings.exempt_from_limits,
        "PRODUCER_ADDRESS": f"127.0.0.1:{settings.producer_port}",
        "FLOWER_ADDRESS": f"127.0.0.1:{settings.flower_port or UNUSED_PORT}",
        "LOCUST_ADDRESS": f"127.0.0.1:{settings.locust_port or UNUSED_PORT}",
        "MAIL_ADDRESS": f"127.0.0.1:{UNUSED_PORT}",
        "RUN_DIR": str(folder),
    }
