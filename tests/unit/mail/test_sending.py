"""Mail as it is put together: nothing that a client sends becomes a header."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from project.celery_config.tasks.notifications import Folder, Recipients, Subject
from project.integrations.mail import sending
from project.integrations.mail.sending import MailRefused
from project.native.parts import Programs, parts
from project.native.ready import banner
from project.settings import Settings

SETTINGS = Settings(_env_file=None)
HEADERS = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"}
HEADERS |= {"Content-Type", "Content-Transfer-Encoding"}
LINE_ENDS = ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]


@settings(max_examples=100)
@given(
    subject=st.text()
    | st.lists(st.sampled_from([*LINE_ENDS, "Bcc: eve@example.org", " ", "ü" * 80, "=?"])).map("".join),
    address=st.emails() | st.text(),
    text=st.text(),
)
@example(subject="", address="<>, 0", text="")
@example(subject="", address="a@<>, 0", text="")
def test_whatever_is_sent_the_headers_are_ours(subject: str, address: str, text: str) -> None:
    """Refused, or the same headers and one recipient at most."""
    try:
        message = sending.compose(SETTINGS, "job", [address], subject, text)
        sent = message.as_bytes()
    except MailRefused:
        return
    received = message_from_bytes(sent, policy=policy.default)
    assert set(received.keys()) <= HEADERS
    assert len(received["To"].addresses) <= 1
    assert received["Message-ID"] == "<job@example.org>"


@pytest.mark.parametrize("end", LINE_ENDS)
def test_a_line_end_is_refused_before_there_is_a_job(end: str) -> None:
    """In the subject, in an address and in the name of a folder; the last line of defence refuses one at the end too."""
    for annotation, text in ((Subject, f"a{end}Bcc: b"), (Recipients, f"a@example.org{end}b"), (Folder, f"a{end}b")):
        with pytest.raises(ValidationError):
            TypeAdapter(annotation).validate_python(text)
    for subject in (f"a{end}Bcc: b@example.org", f"a{end}"):
        with pytest.raises(MailRefused, match="a single line"):
            sending.compose(SETTINGS, "job", ["a@example.org"], subject, "")


def test_one_address_is_a_list_of_one() -> None:
    """As one would write it by hand."""
    recipients = TypeAdapter(Recipients)
    assert recipients.validate_python("a@example.org") == recipients.validate_python(["a@example.org"])


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"smtp_user": "ann", "smtp_password": "x"}, "SMTP_USER and SMTP_SECURITY need SMTP_HOST"),
        ({"smtp_security": "starttls"}, "SMTP_USER and SMTP_SECURITY need SMTP_HOST"),
        ({"smtp_host": "mail.example.org", "smtp_user": "ann"}, "must be set together"),
        ({"smtp_host": "mail.example.org", "smtp_password": "x"}, "must be set together"),
        ({"imap_host": "mail.example.org", "imap_user": "ann"}, "IMAP_HOST needs"),
        ({"smtp_security": "ssl"}, "starttls"),
        ({"mail_from": "nobody"}, "email address"),
        ({"smtp_host": "h", "smtp_user": "ann", "smtp_password": "pässword"}, "SMTP_PASSWORD must be ASCII"),
        ({"smtp_host": "h", "smtp_user": "jürgen", "smtp_password": "x"}, "SMTP_USER must be ASCII"),
        ({"imap_host": "h", "imap_user": "jürgen", "imap_password": "x"}, "IMAP_USER must be ASCII"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(wrong: dict[str, str], expected: str) -> None:
    """The message names the setting and not its value."""
    with pytest.raises(ValidationError, match=expected):
        Settings(_env_file=None, **wrong)  # type: ignore[arg-type]


def test_the_stack_catches_mail_unless_it_goes_elsewhere() -> None:
    """With SMTP_HOST there is another server, and SMTP_PORT is a port of that one."""
    elsewhere = Settings(_env_file=None, smtp_host="mail.example.org")
    names = [{part.name for part in parts(each, Path("/run"), Programs("", ""))} for each in (SETTINGS, elsewhere)]
    assert names[0] - names[1] == {"mail"}
    assert "http://here/mail/\n\n  Try" in banner("http://here", catches_mail=True)
    assert "/mail/" not in banner("http://here", catches_mail=False)


def test_a_password_can_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every secret."""
    (tmp_path / "password").write_text("hunter2\n")
    monkeypatch.setenv("SMTP_PASSWORD_FILE", str(tmp_path / "password"))
    settings = Settings(_env_file=None, smtp_host="h", smtp_user="ann")
    assert settings.smtp_password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)
