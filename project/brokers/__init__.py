"""The brokers: one class for each kind, all with the interface of `base.Broker`.

leased         the leased Redis transport (`redis://`), the default
stock          Celery's own Redis transport (`redis+stock://`)
rabbitmq       RabbitMQ (`amqp://`)
celery_broker  what stock and rabbitmq share, with job_records
switching      moves jobs here after a switch from another kind of broker

The Celery app has its broker as `app.broker`.
"""

from project.brokers.base import Broker
from project.brokers.leased import LeasedBroker
from project.brokers.rabbitmq import RabbitMQBroker
from project.brokers.stock import StockBroker
from project.settings import Settings

__all__ = ["Broker", "broker_for"]

KINDS: dict[str, type[Broker]] = {kind.kind: kind for kind in (LeasedBroker, StockBroker, RabbitMQBroker)}


def broker_for(settings: Settings) -> Broker:
    """Return the broker that BROKER_URL names."""
    return KINDS[settings.broker_kind](settings)
