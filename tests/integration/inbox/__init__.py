"""Ways in besides HTTP: the inbox, and Celery clients of other projects."""
