"""Configure Celery: the app, its options and the tasks."""
