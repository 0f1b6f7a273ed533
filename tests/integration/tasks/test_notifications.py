"""Jobs that send mail: tried again when that may help, and sent once although a job may run twice."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.mail import PASSWORD, USER, Authority, SmtpServer
from tests.support.processes import Worker
from tests.support.task_fixtures import Tasks

MAIL = ("bob@example.org", "Homework", "It is due tomorrow.")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpServer]:
    """A mail server that wants a login."""
    server = SmtpServer(Authority(tmp_path_factory.mktemp("authority")), login=True)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _nothing_of_the_last_test(server: SmtpServer) -> None:
    server.mails.clear()
    server.refused.clear()


@pytest.fixture(scope="module")
def _notifier(session_tasks: Tasks, server: SmtpServer) -> Worker:
    return start_notifier(session_tasks, server)


@pytest.fixture
def notifier(_notifier: Worker, session_tasks: Tasks) -> Iterator[Tasks]:
    """The tasks, with a consumer for notifications that logs all it can."""
    yield session_tasks
    session_tasks.kill_workers("prefork", "notifier")


def start_notifier(tasks: Tasks, server: SmtpServer) -> Worker:
    """Start a consumer for notifications as the stack has it."""
    settings = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_user": USER, "smtp_password": PASSWORD}
    return tasks.worker("notifier", "threads", 4, queues="notifications", log_level="DEBUG", **settings)


def submit(tasks: Tasks, *mail: Any) -> str:
    """Submit a mail without HTTP, as another program would."""
    return tasks.submit("send_email", *mail, queue="notifications")


def test_a_server_that_is_busy_is_asked_again(notifier: Tasks, server: SmtpServer) -> None:
    """The mail is then sent once, and the result is certain about it."""
    server.answers = ["451 later", "452 still not"]
    record = notifier.ended(submit(notifier, *MAIL))
    assert (record["status"], record["attempts"], len(server.mails)) == ("SUCCESS", "3", 1)
    assert record["result"] == {
        "message_id": server.mails[0][1]["Message-ID"],
        "refused": {},
        "perhaps_twice": False,
    }


def test_a_mail_that_is_refused_fails_at_once_and_says_why(notifier: Tasks, server: SmtpServer) -> None:
    """Trying again would not help."""
    server.refused["bob@example.org"] = "550 no such user"
    record = notifier.ended(submit(notifier, *MAIL))
    assert (record["status"], record["attempts"]) == ("FAILURE", "1")
    assert record["error"] == {"type": "MailRefused", "message": "bob@example.org: 550 no such user"}


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (("bob@example.org", "Homework\r\nBcc: eve@example.org", ""), "1: String should match"),
        (("bob@example.org\nBcc: eve@example.org", "Homework", ""), "0.0: value is not a valid email address"),
        (([], "Homework", ""), "0: Value should have at least 1 item"),
        (("bob@example.org", "Homework"), "text: Missing required argument"),
    ],
)
def test_wrong_arguments_fail_at_once_whichever_way_they_come(
    notifier: Tasks, server: SmtpServer, mail: tuple[Any, ...], expected: str
) -> None:
    """Not only HTTP checks them."""
    record = notifier.ended(submit(notifier, *mail))
    assert (record["status"], record["attempts"], record["error"]["type"]) == ("FAILURE", "1", "BadArguments")
    assert expected in record["error"]["message"]
    assert "eve" not in record["error"]["message"]
    assert not server.mails


def test_a_mailbox_that_is_not_set_up_is_a_clear_failure(notifier: Tasks) -> None:
    """The message names the setting."""
    record = notifier.ended(notifier.submit("receive_emails", queue="notifications"))
    assert record["error"] == {
        "type": "MailRefused",
        "message": "IMAP_HOST is empty: set it to the server with the mailbox",
    }


def test_a_job_whose_consumer_dies_after_the_mail_was_taken_does_not_send_it_again(
    notifier: Tasks, server: SmtpServer
) -> None:
    """Killed with -9 while the server takes its time to say goodbye; the next consumer finds that it was sent."""
    record = kill_at("QUIT", notifier, server)
    assert (record["status"], len(server.mails)) == ("SUCCESS", 1)
    assert record["result"]["perhaps_twice"] is False


def test_a_job_whose_consumer_dies_before_the_server_answered_sends_again_and_says_so(
    notifier: Tasks, server: SmtpServer
) -> None:
    """Nobody can know whether the server has the mail: twice, with one Message-ID, is better than never."""
    record = kill_at("DATA", notifier, server)
    assert (record["status"], len(server.mails)) == ("SUCCESS", 2)
    assert record["result"]["perhaps_twice"] is True
    assert {message["Message-ID"] for _, message in server.mails} == {record["result"]["message_id"]}


def kill_at(gate: str, tasks: Tasks, server: SmtpServer) -> dict[str, Any]:
    """Kill the only consumer while it waits at a gate of the server, start another one, and return the record."""
    server.close(gate)
    job_id = submit(tasks, *MAIL)
    assert server.came[gate].wait(60)
    tasks.kill_workers("prefork")
    server.open()
    start_notifier(tasks, server)
    return tasks.ended(job_id)


def test_the_password_is_nowhere(notifier: Tasks, server: SmtpServer) -> None:
    """Neither in what consumers log, nor in anything in Redis."""
    notifier.ended(submit(notifier, *MAIL))
    notifier.redis.config_set("rdbcompression", "no")  # of DUMP
    written = [notifier.log("notifier")]
    for key in notifier.redis.scan_iter():
        written.append(notifier.redis.dump(key) or b"")  # it may have expired
    assert b"send_email" in written[0]
    assert all(PASSWORD.encode() not in text for text in written)
