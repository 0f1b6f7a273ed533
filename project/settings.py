"""The settings of the whole stack, read once from the environment and `.env`.

`.env.example` documents every field; a test keeps the two equal. Exceptions that read the environment themselves:
`env_file.py` (the path of `.env`), `misspelt.py` (names that are not settings), and the client, which runs without
these settings.
"""

import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    EmailStr,
    NonNegativeInt,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from project.addresses import as_address, in_url, reachable
from project.env_file import EnvFileError
from project.setting_sources import EnvFile, SecretFiles
from project.setting_types import (
    BROKER_KINDS,
    BrokerKind,
    BrokerUrl,
    Crontab,
    Duration,
    Host,
    HostNames,
    Interval,
    Network,
    Port,
    PortOrNone,
    RedisDb,
    RedisUrl,
    Seconds,
    SecretUrl,
    Security,
    database_of,
    with_password,
)
from project.startup import ROOT

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
OWN_HOSTS = ("127.0.0.1", "localhost", "::1")  # where the native stack's own Redis can be


class Settings(BaseSettings):
    """Every value that may differ between two installations; times are in seconds."""

    # forbid: a misspelt name in .env stops the start instead of being ignored
    # env_file: "" so that pydantic-settings reads none; None, used in tests, also disables EnvFile
    model_config = SettingsConfigDict(env_file="", extra="forbid", env_ignore_empty=True)

    # NGINX
    http_bind: Host = "127.0.0.1"
    http_port: Port = 8080
    http_hosts: HostNames = ""
    rate_limit: NonNegativeInt = 0
    rate_burst: PositiveInt = 20
    rate_limit_exempt: Network = ""

    # Redis: broker, job records and results
    redis_host: Host = "127.0.0.1"
    redis_port: Port = 6379
    redis_db: RedisDb = 0
    redis_password: SecretStr = SecretStr("")
    redis_url: RedisUrl = ""
    broker_url: BrokerUrl = ""
    redis_timeout: Seconds = 0.8
    redis_down_pause: Seconds = 0.5
    redis_appendfsync: Literal["everysec", "always"] = "everysec"

    # RabbitMQ, if BROKER_URL names one
    rabbitmq_password: SecretStr = SecretStr("")
    flower_broker_api: SecretStr = SecretStr("")

    # Jobs
    result_ttl: Duration = 4 * 60 * 60
    lease: Seconds = 15
    max_attempts: PositiveInt = 3
    queue_limit: NonNegativeInt = 0
    max_waiters: NonNegativeInt = 2000
    max_event_listeners: NonNegativeInt = 200
    task_time_limit: Duration = 120
    task_soft_time_limit: Duration = 100

    # Consumers
    consumers: NonNegativeInt = 1
    consumer_pool: Literal["auto", "forked", "prefork", "threads", "solo"] = "auto"
    consumer_slots: PositiveInt = 2
    consumer_slot_memory: NonNegativeInt = 200
    consumer_queues: str = ""
    task_modules: str = ""
    task_path: str = ""
    card_ttl: Duration = 7 * 24 * 60 * 60
    shutdown_timeout: Duration = 10
    notification_consumers: NonNegativeInt = 1
    maintenance_consumers: NonNegativeInt = 1

    # Scheduler
    hello_every: Interval = 10
    purge_every: Interval = 3600
    schedule_limit: NonNegativeInt = 10_000
    notify_url: SecretUrl = SecretStr("")

    # Database
    database_url: SecretStr = SecretStr("")
    database_reader_url: SecretStr = SecretStr("")
    database_owner_url: SecretStr = SecretStr("")
    postgres_password: SecretStr = SecretStr("")
    records_ttl: Duration = 30 * 24 * 60 * 60

    # Mail
    smtp_host: Host = ""
    smtp_port: Port = 1025
    smtp_security: Security = "none"
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    mail_from: EmailStr = "glassqueue@example.org"
    imap_host: Host = ""
    imap_port: Port = 993
    imap_security: Security = "tls"
    imap_user: str = ""
    imap_password: SecretStr = SecretStr("")

    # Backups
    backup_folder: str = ""
    backup_database_at: Crontab = ""
    backup_ftp_at: Crontab = ""
    backup_keep_last: PositiveInt = 3
    backup_keep_daily: NonNegativeInt = 7
    backup_keep_weekly: NonNegativeInt = 4
    ftp_host: Host = ""
    ftp_port: Port = 21
    ftp_security: Literal["none", "tls"] = "none"
    ftp_user: str = ""
    ftp_password: SecretStr = SecretStr("")
    ftp_folder: str = ""

    # Native run only (`make up`)
    producer_port: Port = 8001
    flower_port: PortOrNone = 5555
    locust_port: PortOrNone = 8089
    locust_users: PositiveInt = 200
    port_offset: NonNegativeInt = 0
    reload: bool = False
    run_dir: Path = Path(".run")

    # Break it
    chaos: bool = False

    # Checks
    in_containers: bool = False

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _move_ports(self) -> Self:
        for name in self.own_ports() if self.port_offset else []:
            moved = getattr(self, name) + self.port_offset
            if moved > 65535:
                raise ValueError(f"PORT_OFFSET moves {name.upper()} to {moved}; the highest port is 65535")
            setattr(self, name, moved)
        if self.port_offset and "run_dir" not in self.model_fields_set:
            self.run_dir = Path(f"{self.run_dir}-{self.port_offset}")
        return self

    @model_validator(mode="after")
    def _folders_are_in_the_project(self) -> Self:
        """Make a relative RUN_DIR relative to the project, whatever the working directory."""
        try:
            self.run_dir = ROOT / self.run_dir.expanduser()
            _ = self.backups, self.folders_of_tasks  # which begin with ~ or ~user in the same way
        except RuntimeError:
            raise ValueError("RUN_DIR, BACKUP_FOLDER or TASK_PATH begins with ~, but there is no such user") from None
        return self

    @model_validator(mode="after")
    def _read_generated_password(self) -> Self:
        generated = self.own_redis and os.access(self.password_file, os.R_OK)
        if generated and not self.redis_password.get_secret_value():
            self.redis_password = SecretStr(self.password_file.read_text())
        return self

    @model_validator(mode="after")
    def _soft_limit_comes_first(self) -> Self:
        if self.task_soft_time_limit >= self.task_time_limit:
            raise ValueError("TASK_SOFT_TIME_LIMIT must be smaller than TASK_TIME_LIMIT")
        return self

    @model_validator(mode="after")
    def _the_broker_suits_the_pool(self) -> Self:
        if self.consumer_pool == "forked" and self.broker_kind != "leased":
            raise ValueError("CONSUMER_POOL=forked needs a redis:// broker; `auto` chooses prefork for this BROKER_URL")
        return self

    @model_validator(mode="after")
    def _mail_has_what_it_needs(self) -> Self:
        if (self.smtp_user or self.smtp_security != "none") and not self.smtp_host:
            raise ValueError(
                "SMTP_USER and SMTP_SECURITY need SMTP_HOST: the stack's own mail server has no login and no TLS"
            )
        if bool(self.smtp_user) != bool(self.smtp_password.get_secret_value()):
            raise ValueError("SMTP_USER and SMTP_PASSWORD must be set together")
        if self.imap_host and not (self.imap_user and self.imap_password.get_secret_value()):
            raise ValueError("IMAP_HOST needs IMAP_USER and IMAP_PASSWORD")
        for name in ("smtp_user", "smtp_password", "imap_user", "imap_password"):
            value = getattr(self, name)
            if not (value.get_secret_value() if isinstance(value, SecretStr) else value).isascii():
                raise ValueError(f"{name.upper()} must be ASCII: the login methods support nothing else")
        return self

    @model_validator(mode="after")
    def _backups_have_a_server(self) -> Self:
        if self.backup_ftp_at and not self.ftp_host:
            raise ValueError("BACKUP_FTP_AT needs FTP_HOST: without it every backup of the FTP server would fail")
        return self

    @model_validator(mode="after")
    def _sqlite_can_name_its_file(self) -> Self:
        if not self.database_url.get_secret_value() and "?" in str(self.run_dir):
            raise ValueError("RUN_DIR: its path contains a ?, which a SQLite URL cannot contain; choose another folder")
        return self

    @model_validator(mode="after")
    def _roles_share_a_database(self) -> Self:
        secrets = (self.database_url, self.database_reader_url, self.database_owner_url)
        urls = [secret.get_secret_value() for secret in secrets if secret.get_secret_value()]
        if len(urls) > 1 and len({database_of(url) for url in urls}) > 1:
            raise ValueError(
                "DATABASE_URL, DATABASE_READER_URL and DATABASE_OWNER_URL must name the same host, port and database"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of values; the first source with a value wins."""
        files = () if getattr(dotenv_settings, "env_file", None) is None else (EnvFile(settings_cls),)
        return init_settings, SecretFiles(settings_cls), env_settings, *files

    @property
    def hosts(self) -> frozenset[str]:
        """Return the host names that requests may use: this machine's own, HTTP_BIND and HTTP_HOSTS."""
        bound = in_url(self.http_bind)
        chosen = (name.strip().lower().removesuffix(".") for name in self.http_hosts.split(","))
        return LOOPBACK | {bound.lower()} | {name for name in chosen if name}

    @property
    def exempt_from_limits(self) -> str:
        """Return the address that is never limited: RATE_LIMIT_EXEMPT, else the address of clients on this machine."""
        address = reachable(self.http_bind)
        return self.rate_limit_exempt or (address if as_address(address) else "127.0.0.1")

    @property
    def redis(self) -> str:
        """Return the Redis URL: REDIS_URL, else built from its parts."""
        password = quote(self.redis_password.get_secret_value(), safe="")
        credentials = f":{password}@" if password else ""
        return self.redis_url or f"redis://{credentials}{in_url(self.redis_host)}:{self.redis_port}/{self.redis_db}"

    @property
    def url(self) -> str:
        """Return the URL of NGINX for a browser on this machine."""
        return f"http://{in_url(reachable(self.http_bind))}:{self.http_port}"

    @property
    def own_redis(self) -> bool:
        """Tell whether the native stack starts its own Redis, because no setting names one elsewhere."""
        elsewhere = self.redis_url or self.redis_host not in OWN_HOSTS
        return not elsewhere and not (self.broker_url and self.broker_kind == "leased")

    @property
    def own_broker(self) -> bool:
        """Tell whether the native stack starts its own broker: jobs wait in the stack's own Redis."""
        there = urlsplit(self.broker_url)
        here = there.hostname in OWN_HOSTS and (there.port or 6379) == self.redis_port
        return self.own_redis and self.broker_kind != "amqp" and (here or not self.broker_url)

    @property
    def password_file(self) -> Path:
        """Return the file in which `make up` keeps the generated password of its own Redis."""
        return self.run_dir / f"redis-{self.redis_port}.password"

    @classmethod
    def secret_names(cls) -> list[str]:
        """Return the environment variables that may contain a password, or name a file with one."""
        urls = {"redis_url", "broker_url"}
        secret = {name for name, field in cls.model_fields.items() if field.annotation is SecretStr} | urls
        return [f"{name.upper()}{ending}" for name in sorted(secret) for ending in ("", "_FILE")]

    def own_ports(self) -> list[str]:
        """Return the settings of the ports that the native stack listens on."""
        chosen = ["http_port", "redis_port"] if self.own_redis else ["http_port"]
        chosen += ["producer_port", *(name for name in ("flower_port", "locust_port") if getattr(self, name))]
        return chosen if self.smtp_host else [*chosen, "smtp_port"]

    @property
    def broker_kind(self) -> BrokerKind:
        """Return which kind of broker BROKER_URL names; project/brokers/ has a class for each."""
        return BROKER_KINDS.get(urlsplit(self.broker_url).scheme, "leased")

    @property
    def broker(self) -> str:
        """Return the broker's URL: BROKER_URL (for AMQP completed with RABBITMQ_PASSWORD), else the Redis URL.

        A redis+stock:// URL of the stack's own Redis gets the password of that Redis.
        """
        if self.broker_kind == "amqp":
            return with_password(self.broker_url, self.rabbitmq_password)
        if self.own_redis and self.redis_password.get_secret_value():
            here = rf"^(redis\+stock://)(?=(127\.0\.0\.1|localhost|\[::1\]):{self.redis_port}(/|$))"
            password = quote(self.redis_password.get_secret_value(), safe="")
            return re.sub(here, lambda scheme: f"{scheme[1]}:{password}@", self.broker_url) or self.redis
        return self.broker_url or self.redis

    @property
    def records(self) -> str:
        """Return the URL of the Redis with the job records: the broker if it has leases, else the Redis URL."""
        return self.broker if self.broker_kind == "leased" else self.redis

    @property
    def database(self) -> str:
        """Return the database URL: DATABASE_URL, else a SQLite file in RUN_DIR."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.run_dir}/records.db"

    @property
    def database_reader(self) -> str:
        """Return the URL of the read-only role: DATABASE_READER_URL, else the database URL."""
        return self.database_reader_url.get_secret_value() or self.database

    @property
    def database_owner(self) -> str:
        """Return the URL for migrations: DATABASE_OWNER_URL with POSTGRES_PASSWORD, else the database URL."""
        url = self.database_owner_url.get_secret_value()
        return with_password(url, self.postgres_password) if url else self.database

    @property
    def modules_of_tasks(self) -> list[str]:
        """Return the modules of TASK_MODULES."""
        return [name.strip() for name in self.task_modules.split(",") if name.strip()]

    @property
    def folders_of_tasks(self) -> list[str]:
        """Return the folders of TASK_PATH; relative ones are relative to the project."""
        return [str(ROOT / Path(name).expanduser()) for name in self.task_path.split(os.pathsep) if name]

    @property
    def folders_of_code(self) -> list[str]:
        """Return the folders whose changes restart processes, with RELOAD."""
        return [str(ROOT / "project"), *self.folders_of_tasks]

    @property
    def backups(self) -> Path:
        """Return the backup folder: BACKUP_FOLDER, else a folder in RUN_DIR."""
        return ROOT / Path(self.backup_folder).expanduser() if self.backup_folder else self.run_dir / "backups"


@cache
def get_settings() -> Settings:
    """Return the settings, or exit with one line per invalid variable."""
    try:
        return Settings()
    except EnvFileError as error:
        sys.exit("\n".join(f"glassqueue: {line}" for line in str(error).splitlines()))
    except OSError as error:
        sys.exit(f"glassqueue: {error}")
    except ValidationError as error:
        sys.exit("\n".join(_explain(problem["loc"], problem["type"], problem["msg"]) for problem in error.errors()))


def _explain(location: tuple[int | str, ...], kind: str, message: str) -> str:
    """Describe an invalid setting without its value, which may be a secret."""
    names = [str(location[0]).upper()] if location else []  # a message about several settings names them itself
    reason = "there is no such setting" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
    return f"glassqueue: {': '.join([*names, reason])} (see .env.example)"
