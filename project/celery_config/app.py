"""The one Celery app that producer, consumer, scheduler and Flower share."""

from functools import partial

from celery import Celery
from kombu import Exchange, Queue

from project.brokers import rabbitmq
from project.celery_config.config import celery_options
from project.celery_config.task import JobTask
from project.settings import Settings
from project.task_options.follower_check import check_followers
from project.worker import memory


def create_celery_app(settings: Settings) -> Celery:
    """Return the app with all its tasks; a task that cannot work raises here, not at its first job."""
    app = Celery("glassqueue", set_as_current=True)
    app.config_from_object(celery_options(settings))
    # @shared_task finds its app per thread; FastAPI runs endpoints in threads that never saw this one
    app.set_default()
    app.loader.import_default_modules()
    app.finalize()
    check_followers(app)
    memory.connect()
    _declare_queues(app, settings)
    return app


def _declare_queues(app: Celery, settings: Settings) -> None:
    """Make the queues that the tasks name, and send each task's jobs to its own."""
    routes = {task.name: {"queue": task.queue_name} for task in app.tasks.values() if isinstance(task, JobTask)}
    names = sorted({route["queue"] for route in routes.values()})
    app.conf.task_routes = routes
    make = partial(rabbitmq.make_queue, settings) if rabbitmq.is_amqp(settings.broker) else _make_queue
    app.conf.task_queues = [make(name) for name in names]


def _make_queue(name: str) -> Queue:
    return Queue(name, Exchange(name), routing_key=name)
