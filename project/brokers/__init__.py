"""One class per kind of broker: leases on Redis, Celery's own Redis transport, RabbitMQ."""
