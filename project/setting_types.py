"""Define the types of the settings, and what makes a value valid."""

import re
from ipaddress import ip_network
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from project.addresses import checked_host


def _cron_line(text: str) -> str:
    if text:
        # imported lazily: rarely needed, and dateutil takes a while to import
        from project.schedules.cron import Cron  # noqa: PLC0415

        Cron(text)
    return text


def _web_address(secret: SecretStr) -> SecretStr:
    try:
        url = urlsplit(secret.get_secret_value())
        right = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:  # a wrong port, or half an IPv6 address
        right = False
    if secret and not (right and re.fullmatch(r"[!-~]+", secret.get_secret_value())):
        raise ValueError("must be http://… or https://…, without spaces")
    return secret


def _redis_url(url: str) -> str:
    if url and not _is_redis_url(url):
        raise ValueError(
            "must be like redis://:password@host:6379/0 or rediss://…; its only options can be ssl_…; percent-encode "
            "special characters in its password, such as %2F for /"
        )
    return url


def _is_redis_url(url: str) -> bool:
    """Tell whether redis-py and kombu understand a URL: each knows options and schemes that the other does not."""
    if not (parts := _with_server(url)):
        return False
    options = parse_qsl(parts.query, keep_blank_values=True)
    right = re.fullmatch(r"/?\d*", parts.path) and all(name.startswith("ssl_") for name, _ in options)
    return bool(parts.scheme in ("redis", "rediss") and right)


def _with_server(url: str) -> SplitResult | None:
    """Return the parts of a URL, or None if it contains a space or a #, or does not name a server."""
    try:
        parts = urlsplit(url)
        right = parts.hostname and checked_host(parts.hostname) and parts.port != 0
    except ValueError:  # a wrong port, a wrong name, or half an IPv6 address
        return None
    return parts if right and not re.search(r"[\s#]", url) else None


def _broker_url(url: str) -> str:
    scheme = url.partition("://")[0]
    if url and scheme not in ("redis", "rediss", *BROKER_KINDS):
        raise ValueError("must begin with redis://, rediss://, redis+stock://, amqp:// or amqps://")
    if scheme == "redis+stock":
        _redis_url(url.replace("+stock", "", 1).partition("?")[0])  # its options are those of Celery's transport
        return url
    if not scheme.startswith("amqp"):
        return _redis_url(url)
    if not all(map(_is_amqp_url, filter(None, url.split(";")))):  # kombu's error text may show a part of the password
        raise ValueError(
            "must be like amqp://user:password@host:5672//; percent-encode special characters in its password, "
            "such as %2F for /"
        )
    return url


def _is_amqp_url(url: str) -> bool:
    parts = _with_server(url)
    # an @ further right belongs to a password with a / or ? in it, which ends the part of the server
    return parts is not None and parts.scheme in ("amqp", "amqps") and "@" not in f"{parts.path}{parts.query}"


def _host_names(text: str) -> str:
    if not re.fullmatch(rf"{_HOST}?( *, *{_HOST}?)*", text):
        raise ValueError(
            "must be host names or addresses without ports, separated by commas, such as jobs.example.org,[2001:db8::1]"
        )
    return text


def _network(text: str) -> str:
    return text and str(ip_network(text, strict=False))


def database_of(url: str) -> tuple[Any, ...]:
    """Return the database that a URL names, without the user."""
    # imported lazily: a stack with at most one URL does not need it and starts faster
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the error text may leak the password
        raise ValueError(
            "a DATABASE_…URL is not a valid URL; percent-encode special characters in its password, such as %2F for /"
        ) from None
    return parsed.get_backend_name(), parsed.host or parsed.query.get("host"), parsed.port or 5432, parsed.database


def with_password(url: str, password: SecretStr) -> str:
    """Return a URL with a password if it names a user without one; special characters are escaped."""
    escaped = quote(password.get_secret_value(), safe="")
    return re.sub(r"^([a-z+]+://[^/@:?#]+)@", lambda user: f"{user[1]}:{escaped}@", url) if escaped else url


BrokerKind = Literal["leased", "stock", "amqp"]
#: The schemes of BROKER_URL that do not select the leased Redis transport.
BROKER_KINDS: dict[str, BrokerKind] = {"redis+stock": "stock", "amqp": "amqp", "amqps": "amqp"}

Host = Annotated[str, AfterValidator(checked_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
PortOrNone = Annotated[int, Field(ge=0, le=65535)]
RedisDb = Annotated[int, Field(ge=0, le=15)]  # a Redis without a configuration has 16 databases
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
BrokerUrl = Annotated[str, AfterValidator(_broker_url)]
SecretUrl = Annotated[SecretStr, AfterValidator(_web_address)]

# a cron expression or a macro such as @daily, in UTC
Crontab = Annotated[str, AfterValidator(_cron_line)]
_LONGEST = 50 * 366 * 24 * 60 * 60  # seconds, as for other schedules; Redis and Python cannot count much further
Interval = Annotated[int, Field(ge=0, le=_LONGEST)]
#: How long something lasts or is kept, in whole seconds.
Duration = Annotated[int, Field(ge=1, le=_LONGEST)]
Security = Literal["none", "starttls", "tls"]
# host names and addresses, separated by commas; without a port, IPv6 addresses in brackets
_HOST = r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])"
HostNames = Annotated[str, AfterValidator(_host_names)]
Network = Annotated[str, AfterValidator(_network)]
#: A duration in seconds, at most a day.
Seconds = Annotated[float, Field(gt=0, le=24 * 60 * 60)]
