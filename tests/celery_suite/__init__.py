"""Celery's own integration suite on the leased transport, compared with Celery's own Redis transport."""
