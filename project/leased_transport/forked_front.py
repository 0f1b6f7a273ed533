"""The front process of a forked pool: writes how jobs of killed slots ended, and answers remote control commands."""

import json
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from billiard.common import human_status
from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery import signals
from celery.events.dispatcher import EventDispatcher
from celery.platforms import EX_OK
from celery.utils.dispatch import Signal
from celery.worker import control, state
from celery.worker.consumer.control import Control
from celery.worker.request import Request
from kombu.transport.virtual import Message
from redis import Redis

from . import keys
from .errors import Rejected
from .forked_board import RunningJob, SlotBoard
from .messages import envelope

logger = logging.getLogger(__name__)

#: Sent for each job that is handed back because its consumer is stopping: job_id, task.
handed_back = Signal(name="handed_back", providing_args={"job_id", "task"})

#: Remote control commands that change what a slot does; the slots' workers listen to them too, and do not answer.
FOR_SLOTS = (
    *("revoke", "revoke_by_stamped_headers", "terminate", "rate_limit", "time_limit"),
    *("add_consumer", "cancel_consumer", "enable_events", "disable_events"),
)


class Front:
    """Handles the reports of the supervisor, and shows the slots' jobs to remote control commands."""

    def __init__(self, consumer: Any, boards: list[SlotBoard], reports: socket.socket) -> None:
        """Read reports from a socket."""
        self.consumer, self.boards, self.reports = consumer, boards, reports
        reports.setblocking(False)

    def listen(self, hub: Any) -> None:
        """Handle reports in the event loop, and keep the numbers in Celery's heartbeat event up to date."""
        hub.add_reader(self.reports.fileno(), self._read)
        hub.call_repeatedly(2.0, self.show_jobs)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while data := self.reports.recv(2**20):
                self._handle(json.loads(data))
            state.should_stop = EX_OK  # the supervisor has closed its end
            self.consumer.hub.remove(self.reports.fileno())

    def _handle(self, report: dict[str, Any]) -> None:
        if report["cause"] == "stopping":
            signals.worker_shutting_down.send(sender=self.consumer.hostname, sig="SIGTERM", how="Warm", exitcode=0)
            return
        keeper = self.consumer.keeper
        tags = [keeper.add(job_id, int(token), queue).tag for job_id, token, queue in report["leases"]]
        try:
            if report["tag"] in tags:
                tags.remove(report["tag"])
                self._end(report)
            keeper.hand_back(tags)
            keeper.flush()
        except Exception as error:
            logger.warning("cannot write how the jobs of a slot ended, so their leases expire: %r", error)
            for tag in (*tags, report["tag"]):
                keeper.forget(tag)

    def _end(self, report: dict[str, Any]) -> None:
        """Write how the job of a killed slot ended, as Celery's prefork pool does."""
        request, cause, tag = self._request(report["tag"]), report["cause"], report["tag"]
        keeper = self.consumer.keeper
        if request is None:
            keeper.forget(tag)  # cancelled, or another attempt owns it
        elif cause == "stop":
            handed_back.send(sender=self, job_id=request.id, task=request.name)
            keeper.hand_back([tag], "stop")
        elif cause == "limit":
            request.on_timeout(False, report["limit"])
        elif cause == "revoke":
            request._announce_revoked("terminated", True, "SIGKILL", False)
        elif cause == "mistake":
            keeper.hand_back([tag])
        else:
            error = WorkerLostError(f"the process of its slot ended prematurely: {human_status(report['code'])}")
            try:
                raise error
            except WorkerLostError:
                request.on_failure(ExceptionInfo())

    def _request(self, tag: str) -> Request | None:
        """Return Celery's object for the attempt with this delivery tag, or None if it no longer owns its job."""
        consumer, (token, _, job_id) = self.consumer, tag.partition(":")
        client: Redis = consumer.keeper.client
        fields: Any = client.hmget(keys.job(job_id), "token", "status", "task", "queue", "message")
        known, status, task, queue, text = fields
        if known != token.encode() or status in (b"SUCCESS", b"FAILURE", b"REVOKED"):
            return None
        headers = {"id": job_id, "task": task.decode(), "attempt": int(token)}
        message = Message(envelope(text, headers, queue.decode(), tag), channel=consumer.task_consumer.channel)
        return Request(
            message,
            on_ack=lambda *_: consumer.keeper.release(tag),
            on_reject=lambda _, __, requeue=False: self._reject(tag, requeue),
            hostname=consumer.hostname,
            eventer=consumer.event_dispatcher and Eventer(consumer.event_dispatcher),
            app=consumer.app,
            connection_errors=consumer.connection_errors,
        )

    def _reject(self, tag: str, requeue: bool) -> None:
        if requeue:
            logger.warning("job_id=%s is handed back as a failed attempt: its process was lost", tag.partition(":")[2])
            self.consumer.keeper.hand_back([tag], "death")
        else:
            self.consumer.keeper.release(tag, Rejected("a consumer could not read this job"))

    # Remote control

    def show_jobs(self) -> None:
        """Let Celery's remote control commands find the jobs that the slots run."""
        running = [(board, job) for board in self.boards if (job := board.job())]
        requests = [SlotRequest(self.consumer, board, job) for board, job in running]
        state.requests.clear()
        state.active_requests.clear()
        state.requests.update({request.id: request for request in requests})
        state.active_requests.update(requests)
        state.all_total_count[0] = sum(board.jobs for board in self.boards)


class Eventer:
    """Sends the last event of a job whose process was killed; its first ones were sent, or not, by that process."""

    def __init__(self, dispatcher: EventDispatcher) -> None:
        self._dispatcher = dispatcher

    @property
    def enabled(self) -> bool:
        """Return whether events are sent at all."""
        return bool(self._dispatcher.enabled)

    def send(self, kind: str, **fields: Any) -> None:
        """Send an event without the feed, which would leave it out because it has not seen the job begin."""
        EventDispatcher.send(self._dispatcher, kind, **fields)


class SlotRequest:
    """Stands for a running job where Celery's remote control commands expect a Request."""

    def __init__(self, consumer: Any, board: SlotBoard, job: RunningJob) -> None:
        """Describe a job of a slot."""
        self.board, self.job, self._consumer = board, job, consumer
        token, _, self.id = job.tag.partition(":")
        self.request_dict = {"attempt": token}

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Have the process of the slot killed, whatever the signal; the job becomes REVOKED."""
        pool.order(self.board, "revoke", self.job.tag)

    def info(self, safe: bool = False) -> dict[str, Any]:
        """Return what `inspect active` shows."""
        return {
            "id": self.id,
            "name": self.job.task,
            "type": self.job.task,
            "args": [],
            "kwargs": {},
            "hostname": self._consumer.hostname,
            "time_start": self.job.began,
            "acknowledged": False,
            "delivery_info": {},
            "worker_pid": self.board.pid,
        }


class Commands(Mapping[str, Any]):
    """The remote control commands of the front process: Celery's, which see the slots' jobs."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def __getitem__(self, name: str) -> Any:
        self._front.show_jobs()
        return control.Panel.data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(control.Panel.data)

    def __len__(self) -> int:
        return len(control.Panel.data)


class SlotCommands(Commands):
    """The remote control commands of a slot; it ignores those that the front process answers."""

    def __init__(self) -> None:
        pass

    def __getitem__(self, name: str) -> Any:
        return control.Panel.data[name] if name in FOR_SLOTS else lambda *_, **__: None


def choose_commands(consumer: Any, commands: Mapping[str, Any], answers: bool) -> None:
    """Replace the remote control commands of a consumer."""
    for step in consumer.steps:
        if isinstance(step, Control):
            step.box.node.handlers = commands
            if not answers:
                step.box.node.reply = lambda *_, **__: None
