# ruff: noqa: F401
"""The libraries that the programs of tests/support/fork_server.py find imported; nothing of the project."""

import os

# read when celery.concurrency is imported: lets `-P custom` choose our pool
os.environ["CELERY_CUSTOM_WORKER_POOL"] = "project.leased_transport.forked:TaskPool"

import celery.apps.beat
import celery.apps.worker
import celery.bin.celery
import celery.concurrency.prefork
import celery.concurrency.solo
import celery.concurrency.thread
import celery.worker.components
import email_validator
import fastapi
import httpx
import kombu.transport.redis
import psutil
import pydantic_settings
import redis.asyncio
import sqlalchemy.dialects.postgresql
import uvicorn.main
import yaml
