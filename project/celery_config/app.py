"""Create the Celery app that producer, consumer, scheduler and Flower share."""

import sys
from collections.abc import Sequence

from celery import Celery

from project.brokers import broker_for
from project.celery_config.announced import AnnouncedTasks
from project.celery_config.config import celery_options
from project.celery_config.task import JobTask
from project.settings import Settings
from project.task_options.follower_check import check_followers
from project.worker import memory


def create_celery_app(settings: Settings, modules: Sequence[str] = ()) -> Celery:
    """Return the app with all its tasks, and those of *modules*; an invalid task raises here, not at its first job."""
    app, broker = Celery("glassqueue", set_as_current=True), broker_for(settings)
    broker.attach(app)
    app.config_from_object(celery_options(settings, broker))
    app.conf.imports = [*app.conf.imports, *modules]
    sys.path += [folder for folder in settings.folders_of_tasks if modules and folder not in sys.path]
    # @shared_task finds its app per thread; FastAPI runs endpoints in threads that never saw this one
    app.set_default()
    app.loader.import_default_modules()
    app.finalize()
    check_followers(app)
    memory.connect()
    _declare_queues(app)
    app.announced = AnnouncedTasks(app)
    return app


def _declare_queues(app: Celery) -> None:
    """Declare the queues that the tasks name, and route each task's jobs to its queue."""
    routes = {task.name: {"queue": task.queue_name} for task in app.tasks.values() if isinstance(task, JobTask)}
    names = sorted({route["queue"] for route in routes.values()})
    app.conf.task_routes = routes
    app.conf.task_queues = [app.broker.make_queue(name) for name in names]
