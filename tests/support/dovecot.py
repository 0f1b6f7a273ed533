"""A real IMAP server of our own: Dovecot 2.3, as Debian packages it."""

import getpass
import imaplib
import os
import re
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from tests.support.mail import PASSWORD, USER, Authority
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.wait import wait_until

BINARY = shutil.which("dovecot", path=os.pathsep.join([*os.get_exec_path(), "/usr/sbin"]))
MISSING = "Dovecot is not installed (Debian: dovecot-imapd)"

CONFIGURATION = """
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl_cert = <{authority.chain}
ssl_key = <{authority.key}
disable_plaintext_auth = no
auth_failure_delay = 0
mail_location = maildir:{folder}/mail
passdb {{
  driver = static
  args = password={password} user={user}
}}
userdb {{
  driver = static
  args = uid={owner} gid={group} home={folder}
}}
first_valid_uid = 1
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


class Dovecot(Process):
    """An instance in a folder of its own, with one user; `ports` by the setting IMAP_SECURITY."""

    def __init__(self, authority: Authority) -> None:
        # not pytest's folder: as root, Dovecot reads mail as another user, without access to it
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        port, tls_port = free_port(), free_port()
        self.ports = {"none": port, "starttls": port, "tls": tls_port}
        names = {"authority": authority, "user": USER, "password": PASSWORD, "folder": self.folder, **self._users()}
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(CONFIGURATION.format(port=port, tls_port=tls_port, **names))
        self.process = subprocess.Popen([str(BINARY), "-F", "-c", str(configuration)])
        wait_until(self._answers, what="Dovecot answers")

    def client(self) -> imaplib.IMAP4:
        """Return a client that is logged in."""
        client = imaplib.IMAP4("127.0.0.1", self.ports["none"], timeout=5)
        client.login(USER, PASSWORD)
        return client

    def spoil(self, *texts: bytes) -> None:
        """Make the mails in the selected INBOX with one of the texts unreadable: Dovecot closes connections for them."""
        for mail in (self.folder / "mail/cur").iterdir():
            if any(text in mail.read_bytes() for text in texts):
                mail.chmod(0)

    def stop(self, timeout: float = 60) -> int:
        """Stop it and remove its mail."""
        code = super().stop(timeout)
        shutil.rmtree(self.folder)
        return code

    def _answers(self) -> bool:
        try:
            self.client().logout()
        except (OSError, imaplib.IMAP4.error):
            return False
        return True

    def _users(self) -> dict[str, str | int]:
        """Return the users that Dovecot's processes run as; as root the users that come with the package."""
        if os.geteuid():
            me, group = getpass.getuser(), os.getgid()
            return {"internal": me, "internal_group": group, "login": me, "owner": os.geteuid(), "group": group}
        shutil.chown(self.folder, "nobody", "nogroup")
        self.folder.chmod(0o755)
        package = {"internal": "dovecot", "internal_group": "dovecot", "login": "dovenull"}
        return {**package, "owner": "nobody", "group": "nogroup"}


class FetchProxy:
    """A proxy for IMAP that replies in place of the server: to FETCH (*replies* by UID), SEARCH and LOGOUT.

    `{tag}` in a reply is the command's tag.
    """

    def __init__(self, port: int) -> None:
        replies = self.replies = dict[str, str]()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", port)) as server:
                    threading.Thread(target=_copy, args=(server, self.connection), daemon=True).start()
                    for line in self.rfile:
                        found = re.match(rb"(\S+) (?:UID (?:FETCH )?)?(\d+|SEARCH|LOGOUT)\s", line)
                        if found and (reply := replies.get(found[2].decode())):
                            self.wfile.write(reply.format(tag=found[1].decode()).encode())
                        else:
                            server.sendall(line)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
