"""Other ways in than HTTP: the Redis list and the RabbitMQ queue `inbox`, and dead letters."""
