"""Between producer and consumer: the transport (Celery's stock one for now) and the job records in Redis."""
