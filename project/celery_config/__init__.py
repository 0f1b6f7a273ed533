"""The Celery side: the app, its options and the tasks."""
