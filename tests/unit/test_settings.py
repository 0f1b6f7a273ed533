"""Settings: where values come from and what is refused."""

from pathlib import Path

import pytest
from kombu.utils.url import url_to_parts
from pydantic import ValidationError
from sqlalchemy import make_url

from project import env_file
from project.settings import Settings, get_settings


def test_redis_can_be_given_in_parts() -> None:
    """Host, port, db and password make the URL; the password is escaped."""
    settings = Settings(redis_host="r", redis_port=1, redis_db=2, redis_password="p@ss/w")
    assert settings.redis == "redis://:p%40ss%2Fw@r:1/2"
    assert settings.broker == settings.redis


def test_redis_can_be_given_as_one_url() -> None:
    """The URL wins over the parts."""
    settings = Settings(redis_host="ignored", redis_url="redis://:secret@elsewhere:6380/3")
    assert settings.redis == "redis://:secret@elsewhere:6380/3"


def test_the_broker_can_be_another_than_redis(tmp_path: Path) -> None:
    """BROKER_URL is for the broker alone; records and results stay in Redis."""
    settings = Settings(broker_url="amqp://guest@rabbit//", run_dir=tmp_path)
    assert settings.broker == "amqp://guest@rabbit//"
    assert settings.redis == "redis://127.0.0.1:6379/0"


def test_host_names_are_compared_without_their_final_dot_and_case() -> None:
    """As those of requests are."""
    hosts = Settings(http_hosts="Jobs.Example.org., [::2]").hosts
    assert hosts == {"127.0.0.1", "localhost", "[::1]", "jobs.example.org", "[::2]"}


def test_a_misspelt_name_in_the_env_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise be ignored, and the default used."""
    (tmp_path / ".env").write_text("HTTP_PROT=9000\n")
    monkeypatch.setattr(env_file, "PATH", tmp_path / ".env")
    with pytest.raises(ValidationError, match="http_prot"):
        Settings()


@pytest.mark.parametrize("name", ["REDIS_URL", "BROKER_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1/0?decode_responses=true",
        "redis://127.0.0.1:6379?db=2",
        "redis://127.0.0.1/jobs",
        "redis://127.0.0.1:port/0",
        "redis://[::1/0",
        "redis://a..b/0",
        "redis://u:12#ss@127.0.0.1/0",
        "redis://:pass word@127.0.0.1/0",
        "127.0.0.1:6379",
        "unix:///run/redis.sock",
        "http://127.0.0.1:6379",
    ],
)
def test_a_url_that_redis_py_and_kombu_read_differently_is_refused(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer would accept jobs that no consumer can fetch, or could not read their records."""
    monkeypatch.setenv(name, url)
    with pytest.raises(ValidationError, match=f"{name.lower()}\n.*must be"):
        Settings()


@pytest.mark.parametrize("password", ["hunter2/", "hunter#2", "12?hunter2", "hunter 2"])
def test_an_address_of_rabbitmq_with_an_unescaped_password_stops_the_start(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text says how to write it, and does not show it: kombu's own error names a part of it as the port."""
    monkeypatch.setenv("BROKER_URL", f"amqp://me:{password}@127.0.0.1:5672//")
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match=r"BROKER_URL: must be like amqp://.*percent-encode") as stopped:
        get_settings()
    assert "hunter" not in str(stopped.value)


@pytest.mark.parametrize("url", ["amqp://u:p@h1:5672//;amqp://u:p@my_h2//;", "amqps://u:p%40@[::1]/v?ssl_version=x"])
def test_usual_addresses_of_rabbitmq_are_accepted(url: str) -> None:
    """They may name several servers, of which kombu uses the first one that answers."""
    assert Settings(_env_file=None, broker_url=url).broker == url


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("", True),
        ("redis+stock://127.0.0.1/0", True),
        ("redis+stock://:pw@localhost:6379/0", True),
        ("redis+stock://127.0.0.1:6380/0", False),
        ("redis+stock://broker.example.org/0", False),
        ("redis://127.0.0.1:6379/0", False),
        ("amqp://127.0.0.1//", False),
    ],
)
def test_the_own_broker_is_the_own_redis(url: str, own: bool) -> None:
    """Only that one is started, and not expected to answer before."""
    assert Settings(_env_file=None, broker_url=url).own_broker is own


@pytest.mark.parametrize("url", ["redis+stock://127.0.0.1/0", "pyamqp://127.0.0.1", "sqs://key@host"])
def test_job_records_are_in_redis_only(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """REDIS_URL selects no transport."""
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(ValidationError, match="must be like redis://"):
        Settings()


@pytest.mark.parametrize("name", ["REDIS_URL", "BROKER_URL"])
@pytest.mark.parametrize("url", ["redis://:p%2Fw@h:6379/2", "rediss://u:p@[::1]/0?ssl_cert_reqs=none", "redis://h"])
def test_usual_redis_urls_are_accepted(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may have a user, a password, a database, and options of TLS."""
    monkeypatch.setenv(name, url)
    assert Settings().redis == url or Settings().broker == url


def test_celerys_own_transport_keeps_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example its visibility timeout."""
    monkeypatch.setenv("BROKER_URL", url := "redis+stock://127.0.0.1:6379/1?visibility_timeout=6")
    assert Settings().broker == url


@pytest.mark.parametrize("network", ["10.0.0.0/99", "300.1.1.1", "abc", "::/200"])
def test_a_network_that_nginx_would_refuse_stops_the_start(network: str) -> None:
    """RATE_LIMIT_EXEMPT is an address or a network."""
    with pytest.raises(ValidationError, match="rate_limit_exempt"):
        Settings(_env_file=None, rate_limit_exempt=network)


@pytest.mark.parametrize("name", ["a..b", ".example.org", "jobs.example.org:8080", "*"])
def test_a_host_name_that_nginx_reads_differently_stops_the_start(name: str) -> None:
    """It would be invalid there, or mean all names below it."""
    with pytest.raises(ValidationError, match=r"http_hosts\n.*must be host names or addresses without ports"):
        Settings(_env_file=None, http_hosts=name)


@pytest.mark.parametrize("name", ["lease", "redis_timeout", "redis_down_pause"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300])
def test_an_endless_duration_stops_the_start(name: str, value: float) -> None:
    """Sockets and scripts accept no such number."""
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["result_ttl", "card_ttl", "records_ttl", "task_time_limit", "shutdown_timeout"])
def test_a_duration_of_more_than_fifty_years_stops_the_start(name: str) -> None:
    """Redis accepts no such expiry, so that no job would ever end, and Python no such time."""
    assert getattr(Settings(_env_file=None, **{name: 10**9}), name) == 10**9  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: 10**17})  # type: ignore[arg-type]


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose hands on `REDIS_PASSWORD=` for a variable that is not set."""
    monkeypatch.setenv("HTTP_PORT", "")
    assert Settings().http_port == 8080


def test_the_password_is_not_shown() -> None:
    """Neither the settings' text nor their dump has it."""
    settings = Settings(redis_password="hunter2")
    assert "hunter2" not in repr(settings) + str(settings.model_dump())


def test_a_value_can_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a secret that an orchestrator hands over."""
    (tmp_path / "secret").write_text("hunter2\n")
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(tmp_path / "secret"))
    assert Settings().redis_password.get_secret_value() == "hunter2"


def test_a_file_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Going on without the secret would look like a wrong one."""
    monkeypatch.setenv("REDIS_PASSWORD_FILE", "/nowhere/secret")
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match=r"REDIS_PASSWORD_FILE: /nowhere/secret: No such file"):
        get_settings()


def test_a_message_about_settings_has_no_words_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins with the setting that is wrong."""
    monkeypatch.setenv("HTTP_BIND", "http://h")
    monkeypatch.setenv("TASK_TIME_LIMIT", "10")
    for message in ("HTTP_BIND: must be a host name or", "TASK_SOFT_TIME_LIMIT must be smaller"):
        get_settings.cache_clear()
        with pytest.raises(SystemExit, match=f"glassqueue: {message}"):
            get_settings()
        monkeypatch.delenv("HTTP_BIND", raising=False)
    get_settings.cache_clear()


def test_a_schedule_of_ftp_backups_needs_a_server() -> None:
    """Without one every backup would fail, and the doctor would find nothing."""
    with pytest.raises(ValidationError, match="BACKUP_FTP_AT needs FTP_HOST"):
        Settings(_env_file=None, backup_ftp_at="@daily")


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are the line ends of Windows."""
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfhunter2\r\n")
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(tmp_path / "secret"))
    assert Settings().redis_password.get_secret_value() == "hunter2"


def test_a_secret_in_a_file_that_is_not_utf_8_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one line that names the variable, and without the secret."""
    (tmp_path / "secret").write_bytes("hunter2ä".encode("latin-1"))
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(tmp_path / "secret"))
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match=r"REDIS_PASSWORD_FILE: .*secret is not UTF-8") as stopped:
        get_settings()
    assert "hunter2" not in str(stopped.value)


@pytest.mark.parametrize("name", ["RUN_DIR", "BACKUP_FOLDER", "TASK_PATH"])
def test_the_home_folder_of_an_unknown_user_stops_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one line that names the variable."""
    monkeypatch.setenv(name, "~nobody-of-this-name/x")
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match=rf"{name}.* no such user") as stopped:
        get_settings()
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize("password", ["p'a$$w\"0 r/d@:%#?ä{}", "plain"])
def test_passwords_complete_urls_that_name_a_user_only(password: str) -> None:
    """In containers the URLs of RabbitMQ and of the database's owner have no password, so that none needs escaping."""
    settings = Settings(
        _env_file=None,
        broker_url="amqp://glassqueue@rabbitmq:5672//",
        rabbitmq_password=password,
        database_owner_url="postgresql+psycopg://owner@postgres/glassqueue",
        postgres_password=password,
    )
    assert url_to_parts(settings.broker)[1:5] == ("rabbitmq", 5672, "glassqueue", password)
    assert (make_url(settings.database_owner).password, make_url(settings.database_owner).host) == (
        password,
        "postgres",
    )


@pytest.mark.parametrize("url", ["amqp://u:own@h//", "amqp://h//", "redis://u@h/0", ""])
def test_urls_that_are_complete_stay_as_they_are(url: str) -> None:
    """They have a password, or no user, or are not RabbitMQ's."""
    settings = Settings(_env_file=None, broker_url=url, rabbitmq_password="other")
    assert settings.broker == (url or settings.redis)


@pytest.mark.parametrize("url", ["amqp://h//", "redis+stock://h/0"])
def test_the_pool_forked_needs_leases(url: str) -> None:
    """Otherwise consumers would start again and again."""
    with pytest.raises(ValidationError, match="CONSUMER_POOL=forked needs a redis:// broker"):
        Settings(_env_file=None, broker_url=url, consumer_pool="forked")


def test_the_soft_limit_must_come_before_the_hard_one() -> None:
    """Otherwise a job never gets the chance to clean up."""
    with pytest.raises(ValidationError, match="TASK_SOFT_TIME_LIMIT must be smaller"):
        Settings(task_time_limit=10, task_soft_time_limit=10)


@pytest.mark.parametrize(
    "other",
    ["postgresql://r:hunter2@else/d", "postgresql://r:hunter2@h:1/d", "postgresql://r:hunter2@h/e", "sqlite:////h/d"],
)
def test_the_roles_of_the_database_share_it(other: str) -> None:
    """In containers the reader has a default: with DATABASE_URL alone it would read another database, without a word."""
    same = Settings(
        _env_file=None, database_url="postgresql+psycopg://a:p/?#[@h/d", database_owner_url="postgresql://o@h:5432/d"
    )
    for reader, owner in (other, ""), ("", other):
        with pytest.raises(ValidationError, match="must name the same host, port and database") as caught:
            Settings(_env_file=None, database_url=same.database, database_reader_url=reader, database_owner_url=owner)
        assert "hunter2" not in caught.value.errors()[0]["msg"]


def test_an_invalid_url_is_not_repeated_in_the_error() -> None:
    """The place where it breaks may be in the middle of the password."""
    with pytest.raises(ValidationError, match="a DATABASE_…URL is not a valid URL") as caught:
        Settings(
            _env_file=None, database_url="postgresql://a@h/d", database_reader_url="postgresql://r:hunter2/@x:y@h/d"
        )
    assert "hunter2" not in caught.value.errors()[0]["msg"]
