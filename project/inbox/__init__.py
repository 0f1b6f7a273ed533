"""Accept jobs without HTTP, from the Redis list and the RabbitMQ queue `inbox`, and handle dead letters."""
