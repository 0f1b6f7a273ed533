"""A leased Redis transport and result backend for Celery: accepted means done.

settings    which Celery options select it, per broker URL
transport     admits and fetches jobs (kombu's transport, channel and QoS); admission builds the call of admit.lua
backend       writes and reads results and statuses (Celery's result backend)
consumer      the worker's side (Celery's consumer class)
lease_keeper  holds the leases of a consumer, in a thread that renews them
standby       a process that renews them while a job holds the interpreter's lock (standby_process)
events        sends Celery's events: event_feed in batches, event_selection for as many jobs as Flower can show
control       cancels, collects and requeues jobs
records       reads the record of a job; messages reads the message in it
listing       finds recent jobs and consumers; summaries reads the parts of job records that lists show
keys          the names of everything in Redis; lua/common.lua says what each key holds
scripts       the atomic steps, in lua/
errors        why a job is refused
overwritten   keys that another program has overwritten

docs/explanation/delivery.md explains the protocol.
"""

from .errors import BrokerError, JobExists, PoisonJob, QueueFull
from .settings import celery_settings

__all__ = ["BrokerError", "JobExists", "PoisonJob", "QueueFull", "celery_settings"]
