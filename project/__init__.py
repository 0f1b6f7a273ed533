"""Glassqueue: a job stack of NGINX, FastAPI, Celery and Redis that you can see through."""

__version__ = "0.1.0"
