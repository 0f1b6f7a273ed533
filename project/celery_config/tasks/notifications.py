"""Define the tasks that send notifications, and send and receive mail."""

from typing import Annotated, Any

from celery import current_app, current_task
from pydantic import BeforeValidator, EmailStr, Field

from project.celery_config.task import shared_task
from project.integrations import webhook
from project.integrations.mail import imap, sending
from project.integrations.mail.sending import ONE_LINE, MailRefused
from project.schedules.store import Store
from project.settings import get_settings
from project.task_options.once import Once
from project.task_options.retry import ALWAYS
from project.task_options.validation import BadArguments, validated


def _several(to: Any) -> Any:
    """Turn a single address into a list."""
    return [to] if isinstance(to, str) else to


Address = Annotated[EmailStr, Field(max_length=254)]
Recipients = Annotated[
    list[Address],
    BeforeValidator(_several, json_schema_input_type=Address | list[Address]),
    Field(min_length=1, max_length=50, examples=["ann@example.org"]),
]
Subject = Annotated[str, Field(max_length=200, pattern=ONE_LINE, examples=["Homework"])]
Text = Annotated[str, Field(max_length=100_000)]
Folder = Annotated[str, Field(max_length=200, pattern=ONE_LINE)]


# two texts of 100,000 characters, which a client may escape for ASCII: up to 12 bytes each
@shared_task(
    route="send_email",
    queue="notifications",
    retry_policy=ALWAYS,
    final_errors=(MailRefused, BadArguments),
    body_limit=3 * 2**20,
)
@validated
def send_email(
    to: Recipients,
    subject: Subject,
    text: Annotated[Text, Field(examples=["It is due tomorrow."])],
    html: Text | None = None,
) -> dict[str, Any]:
    """Send one mail to all recipients; the result lists the addresses that the server refused."""
    once = Once(current_task.request.id, [to, subject, text, html])
    if sent := once.result():
        return sent
    settings = get_settings()
    message = sending.compose(settings, once.name, to, subject, text, html)
    with sending.connection(settings) as smtp:
        return once.run(
            lambda: {"message_id": message["Message-ID"], "refused": sending.hand_over(smtp, message)}, sending.NOT_SENT
        )


@shared_task(
    route="receive_emails", queue="notifications", retry_policy=ALWAYS, final_errors=(MailRefused, BadArguments)
)
@validated
def receive_emails(
    folder: Folder = "INBOX", unseen_only: bool = True, limit: Annotated[int, Field(ge=1, le=100)] = 20
) -> list[dict[str, Any]]:
    """Return the newest mails of a folder without marking them as seen."""
    return imap.receive(get_settings(), folder, unseen_only, limit)


@shared_task(queue="notifications", retry_policy=ALWAYS, final_errors=(webhook.NotifyRefused,))
def notify(notification: dict[str, Any], schedule_id: str) -> str:
    """Send a notification to NOTIFY_URL, with the Authorization header of its reminder."""
    secret = Store(current_app).secret(schedule_id)
    if secret is None:
        return "not sent: the reminder was deleted, or ended a week ago"
    settings = get_settings()
    if not settings.notify_url.get_secret_value():
        return "not sent: NOTIFY_URL is empty"
    # the job may run twice; the key lets the receiver detect that
    key = f"{schedule_id} {current_task.request.id}"
    headers = {"Authorization": secret, "Idempotency-Key": key}
    webhook.post(settings, notification, headers)
    return "sent"
