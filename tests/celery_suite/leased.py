"""A pytest plugin for Celery's own suite: a result backend at redis:// is the leased one.

Many tests skip themselves unless `result_backend` begins with "redis"; what celery_settings() returns begins with the
class of the leased backend, so these tests would not run on it.
"""

from celery.app.backends import BACKEND_ALIASES

from project.leased_transport import backend

BACKEND_ALIASES["redis"] = f"{backend.__name__}:{backend.Backend.__name__}"
