"""A leased Redis transport and result backend for Celery: accepted means done.

settings    which Celery options select it, per broker URL
transport   admission and taking of jobs (kombu's transport, channel, QoS)
backend     results and states (Celery's result backend)
consumer    the worker's side (Celery's consumer class)
ledger      the leases a process holds, and the thread that renews them
standby     the process that renews them while a job holds the interpreter's lock (standby_process)
records     what is known about a job
scripts     the atomic steps, in lua/
errors      why a job is refused

The protocol is told in docs/explanation/delivery.md.
"""

from .errors import BrokerError, JobExists, PoisonJob, QueueFull
from .settings import celery_settings

__all__ = ["BrokerError", "JobExists", "PoisonJob", "QueueFull", "celery_settings"]
