"""NGINX alone, with our files, as `make up` has them."""

import subprocess
from pathlib import Path

import httpx

from project.native import binaries, nginx_files
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.wait import wait_until

ODD_NAME = "my class $x #1 'ä' \"q\" [a-b]* {1} ;%d\\"  # of a folder: all that some configuration file interprets
VALUES = {
    "NGINX_LISTEN": "127.0.0.1:8080",
    "NGINX_HOSTS": "127.0.0.1 localhost [::1] jobs.example.org",
    "NGINX_RESOLVER": "",
    "NGINX_RESOLVE": "",
    "NGINX_BOTH_FAMILIES": "",
    "NGINX_TEMP": ".",
    "NGINX_WEB_ROOT": nginx_files.WEB,
    "PRODUCER_ADDRESS": "127.0.0.1:8001",
    "FLOWER_ADDRESS": "127.0.0.1:5555",
    "LOCUST_ADDRESS": "127.0.0.1:8089",
    "MAIL_ADDRESS": "127.0.0.1:9",
    "NGINX_MAIL": "folder",
    "RATE_LIMIT": "0",
    "RATE_BURST": "20",
    "RATE_LIMIT_EXEMPT": "127.0.0.1/32",
    "NGINX_RATE": "1",
}


class Nginx(Process):
    """NGINX in front of services at these addresses, whether they run or not."""

    def __init__(self, folder: Path, **values: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        nginx_files.render(folder / "nginx", VALUES | {"NGINX_LISTEN": self.url.removeprefix("http://")} | values)
        with (folder / "nginx.log").open("ab") as log:
            command = nginx_files.command(binaries.nginx())
            self.process = subprocess.Popen(command, cwd=folder / "nginx", stdout=log, stderr=log)
        wait_until(self._answers, what="NGINX answers")

    def kill(self) -> None:
        """Stop it at once, with its workers, which a killed master would leave behind."""
        self.stop()

    def client(self) -> httpx.Client:
        """Return an HTTP client of it."""
        return httpx.Client(base_url=self.url, timeout=30)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url).is_success
        except httpx.TransportError:
            return False
