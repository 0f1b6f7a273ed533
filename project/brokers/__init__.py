"""What differs between leases on Redis, Celery's own Redis transport and RabbitMQ."""
