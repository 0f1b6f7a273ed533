"""The compose file and the Dockerfiles: complete, short, and the same stack as that of `make up`."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from project.api.parameters import LONGEST_WAIT
from project.inbox.inbox import WAIT
from project.native.live import part_of
from project.native.part import Part
from project.native.parts import Programs, parts
from project.settings import Settings

TEXT = Path("docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
DEV: dict[str, dict[str, Any]] = yaml.safe_load(Path("docker-compose.dev.yml").read_text())["services"]
DOCKERFILES = {path.parent.name: path for path in Path().glob("*/Dockerfile")}
# where a part is and where it keeps its files differs between a machine and a container; all else must agree
PLACES = {"--host", "--port", "--address", "--bind", "--web-host", "--web-port", "--dir", "--db", "--hostname"}
# what `make up` has in itself or does without
ONLY_CONTAINERS = {"postgres", "migrate", "maildev"}
# a container has a memory limit that Redis must stay below
ONLY_IN_CONTAINERS = ["--maxmemory", "384mb"]
# the file with the password is the first argument of Redis natively, where an option would be read in another order
PASSWORD = ["--include", "/tmp/password.conf"]


def test_services_stand_in_the_order_of_a_request() -> None:
    """One reads the file as a request travels."""
    assert list(SERVICES) == [
        "nginx", "producer", "consumer", "consumer-notifications", "consumer-maintenance", "scheduler", "redis",
        "postgres", "migrate", "flower", "locust", "maildev",
    ]  # fmt: skip


def test_the_files_are_short() -> None:
    """Short enough to be read."""
    assert len(TEXT.splitlines()) <= 230
    assert {name for name, path in DOCKERFILES.items() if len(path.read_text().splitlines()) > 50} == set()


def test_every_variable_has_a_default() -> None:
    """It works without .env and without a warning; Compose itself sets the project's name."""
    variables = set(re.findall(r"\$\{(\w+)(?!\w*:[-+])", TEXT))
    assert variables <= {"COMPOSE_PROJECT_NAME"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_and_limited(name: str) -> None:
    """A health check, a memory limit, a log that ends, and a network of its own choice."""
    service = SERVICES[name]
    assert {"mem_limit", "logging", "restart", "networks"} <= set(service)
    assert ("healthcheck" in service) == (service["restart"] != "no")
    assert service["cap_drop"] == ["ALL"]
    assert ("ports" in service) == (name == "nginx")


def test_only_migrations_and_restores_know_the_owner_of_the_database() -> None:
    """Not even .env gives it to the others; and they start when the tables are there."""
    for name in ("producer", "consumer", "consumer-notifications", "scheduler", "flower"):
        assert (
            SERVICES[name]["environment"] | {"DATABASE_OWNER_URL": "", "POSTGRES_PASSWORD": ""}
            == SERVICES[name]["environment"]
        )
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["environment"]["DATABASE_OWNER_URL"]


@pytest.mark.parametrize(
    ("setting", "volume"),
    [({}, "backups"), ({"BACKUP_FOLDER": ""}, "backups"), ({"BACKUP_FOLDER": "/mnt/b"}, "/mnt/b")],
)
def test_backups_are_in_a_volume_or_in_backup_folder(setting: dict[str, str], volume: str) -> None:
    """Whichever it is, the consumer finds it in one place; a shell fills in variables as Compose does."""
    service = SERVICES["consumer-maintenance"]
    script = f'printf %s "{service["volumes"][0]}"'
    mounted = subprocess.run(["sh", "-c", script], env=setting, check=True, capture_output=True, text=True).stdout
    assert mounted == f"{volume}:{service['environment']['BACKUP_FOLDER']}"


def test_a_producer_that_stops_lets_waiters_end_and_then_breaks_streams_off() -> None:
    """`?wait=` has an end, and a stream that follows all jobs has none: Docker would kill the producer."""
    command = _command("producer")
    patience = int(command[command.index("--timeout-graceful-shutdown") + 1])
    assert patience > LONGEST_WAIT
    # what is left is for the inbox, which is read to the end of a round
    assert patience + 2 * WAIT < int(SERVICES["producer"]["stop_grace_period"].removesuffix("s"))


def test_a_consumer_may_take_longer_to_stop_than_a_job_may_run() -> None:
    """Docker kills a process that has not ended by then."""
    limit = re.search(r"^#TASK_TIME_LIMIT=(\d+)", Path(".env.example").read_text(), re.MULTILINE)
    assert limit
    assert int(SERVICES["consumer"]["stop_grace_period"].removesuffix("s")) > int(limit[1])


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONLY_CONTAINERS - {"nginx"}))
def test_a_container_runs_the_command_of_make_up(name: str) -> None:
    """Same program, same options; NGINX has its options in files that both ways share, and maildev is the container's only."""
    assert _without_places(_command(name)) == _without_places(_native()[name])


def test_a_consumer_hands_its_jobs_back_on_sigterm_both_ways() -> None:
    """Celery's soft shutdown begins with SIGQUIT; Docker and `make up` send SIGTERM."""
    assert [part.environment["REMAP_SIGTERM"] for part in _parts() if "consumer" in part.name] == ["SIGQUIT"] * 3
    assert SERVICES["consumer"]["environment"]["REMAP_SIGTERM"] == "SIGQUIT"


def test_changed_code_reaches_every_container_that_runs_it() -> None:
    """All services with our image, except those that run once or only show jobs, and NGINX with the page."""
    running = {name for name, service in SERVICES.items() if str(service.get("image", "")).endswith("-app")}
    assert DEV.keys() == running - {"migrate", "flower"} | {"nginx"}
    assert {tuple(service["volumes"]) for name, service in DEV.items() if name != "nginx"} == {
        ("./project:/opt/glassqueue/project:ro",)
    }
    assert "WORKDIR /opt/glassqueue\n" in DOCKERFILES["project"].read_text()


@pytest.mark.parametrize("name", sorted(DEV.keys() - {"nginx"}))
def test_live_code_runs_the_same_command_and_is_up_when_make_dev_says_so(name: str) -> None:
    """The producer's replaces that of the image, which an entrypoint would hide."""
    command = shlex.split(DEV[name]["command"]) if "command" in DEV[name] else _command(name)
    live = part_of(command, Path("/run"))
    native = {part.name.removesuffix(".1"): part for part in _parts(Settings(_env_file=None, reload=True))}[name]
    assert _without_places(live.command[1:]) == _without_places(native.command[1:])
    assert Path(live.probe).name == Path(native.probe).name.replace(".1.", ".")
    assert live.reload
    assert bool(live.listen) == bool(native.listen)


def _command(name: str) -> list[str]:
    """Return the command of a service: its own, or else that of its image."""
    if "command" in SERVICES[name]:
        command = SERVICES[name]["command"]
        words = command if isinstance(command, list) else shlex.split(command)
        return [re.sub(r"\$\{(\w+):-\w*\}", r"$\1", word) for word in words]
    dockerfile = DOCKERFILES.get(name, DOCKERFILES["project"]).read_text()
    return list(yaml.safe_load(dockerfile.rpartition("CMD ")[2].replace("\\\n", "")))


def _native() -> dict[str, list[str]]:
    """Return the commands of `make up`; the first word of those of Python is the interpreter."""
    commands = {part.name.removesuffix(".1"): part.command for part in _parts()}
    commands["redis"].remove("/run/redis/password.conf")
    return {name: command[command[0] == sys.executable :] for name, command in commands.items()}


def _parts(settings: Settings | None = None) -> list[Part]:
    return parts(settings or Settings(_env_file=None), Path("/run"), Programs("redis-server", "nginx"))


def _without_places(command: list[str]) -> list[str]:
    """Return the program and those arguments that say what it does."""
    program, *arguments = command
    text = "\0".join(arguments).replace("\0".join(ONLY_IN_CONTAINERS), "").replace("\0".join(PASSWORD), "")
    text = text.replace("$REDIS_APPENDFSYNC", "everysec")
    text = re.sub(rf"(?:{'|'.join(PLACES)})[=\0][^\0]*", "", text)
    return [Path(program).name, *filter(None, text.split("\0"))]
