"""Check that the broker accepts jobs and has the required version and queues."""

from typing import Any

from amqp import Connection as AmqpConnection
from amqp.exceptions import AccessRefused, PreconditionFailed
from kombu import Connection
from kombu.exceptions import KombuError
from kombu.utils.text import version_string_as_tuple
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from project.brokers import rabbitmq
from project.integrations.check import CHECK_TIMEOUT, Check
from project.settings import Settings

OLDEST = (3, 10)  # of RabbitMQ: older versions may lose a message while dead-lettering it


def check(settings: Settings) -> Check:
    """Check the broker that BROKER_URL names, or Redis, within CHECK_TIMEOUT."""
    return _rabbitmq(settings) if rabbitmq.is_amqp(settings.broker) else _redis(settings)


def _redis(settings: Settings) -> Check:
    url = settings.broker.replace("redis+stock://", "redis://", 1)
    client = Redis.from_url(url, **settings.redis_options)
    try:
        client.ping()
    except AuthenticationError:
        return Check("broker", "failed", "Redis refuses the password", "set REDIS_PASSWORD or the one in BROKER_URL")
    except RedisError as error:
        return Check(
            "broker", "failed", f"Redis does not answer: {type(error).__name__}", "start it, or set REDIS_HOST"
        )
    finally:
        client.close()
    return Check("broker", "ok", "Redis answers")


def _rabbitmq(settings: Settings) -> Check:
    connection = Connection(settings.broker, connect_timeout=CHECK_TIMEOUT / 2)
    try:
        connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        connection.connection.sock.settimeout(CHECK_TIMEOUT / 2)
        return _as_needed(settings, connection)
    except AccessRefused:
        return Check("broker", "failed", "RabbitMQ refuses the user", "correct user and password in BROKER_URL")
    except (*AmqpConnection.connection_errors, *AmqpConnection.channel_errors, KombuError) as error:
        found = f"RabbitMQ does not answer: {type(error).__name__}"
        return Check("broker", "failed", found, "start it, or correct BROKER_URL")
    finally:
        connection.collect()  # close() would wait for a reply


def _as_needed(settings: Settings, connection: Any) -> Check:
    """Check RabbitMQ's version and the arguments of a queue."""
    version = connection.connection.server_properties.get("version", "0")
    if version_string_as_tuple(version)[:2] < OLDEST:
        return Check("broker", "failed", f"RabbitMQ {version} is too old", "install 3.10 or newer")
    queue = rabbitmq.make_queue(settings, "default")
    try:
        queue(connection.default_channel).queue_declare()
    except PreconditionFailed:
        cure = "drain the queues, delete them with `rabbitmqctl delete_queue NAME`, and start the stack again"
        return Check("broker", "failed", "the queues were declared with another MAX_ATTEMPTS or QUEUE_LIMIT", cure)
    return Check("broker", "ok", f"RabbitMQ {version} answers")
