"""`make test-celery`: run Celery's integration suite on the leased transport and, beside it, on Celery's own.

pip downloads Celery's source distribution, which contains the suite, into .cache. Both runs have a Redis of their own.
known_differences.toml lists the tests that are meant to end differently, with the reasons; any other test that passes
on Celery's transport only is an error. Arguments select tests, as pytest takes them.
"""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from project.leased_transport import celery_settings
from tests.support.processes import RedisServer

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".cache" / "celery_suite"
KNOWN = Path(__file__).with_name("known_differences.toml")
SELECTION = ("t/integration", "--ignore=t/integration/test_backend.py")  # Azure's client is not installed
TRANSPORTS = ("stock", "leased")


def main(arguments: list[str]) -> None:
    """Run both, print every difference, and exit with 1 if one is unknown."""
    archive = download()
    with ThreadPoolExecutor() as threads:
        stock, leased = threads.map(lambda transport: run(transport, archive, arguments), TRANSPORTS)
    found = dict(differences(stock, leased))
    known = tomllib.loads(KNOWN.read_text())
    unknown = {name for name in found.keys() - known.keys() if leased.get(name) != "passed"}
    for name, how in found.items():
        print(f"{name}\n    {how}\n    {known.get(name) or ('UNKNOWN' if name in unknown else 'better')}")
    print(f"{len(leased)} tests; {len(found)} end differently, {len(unknown)} of them unknown. Logs: {CACHE}")
    sys.exit(bool(unknown))


def download() -> Path:
    """Return Celery's source distribution in the version that is installed."""
    archive = CACHE / f"celery-{version('celery')}.tar.gz"
    if not archive.exists():
        source = ["--no-deps", "--no-binary", "celery", f"celery=={version('celery')}"]
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *source, "--dest", CACHE], check=True)
    return archive


def run(transport: str, archive: Path, arguments: list[str]) -> dict[str, str]:
    """Run the suite on one transport and return how each test ended."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--junitxml=outcomes.xml",
        "--timeout=300",
        "-p",
        "celery.contrib.pytest",
    ]
    with TemporaryDirectory(prefix="celery-suite-") as name, (CACHE / f"{transport}.log").open("wb") as log:
        folder = Path(name)
        unpack(archive, folder)
        with RedisServer(folder) as server:
            url = f"redis://localhost:{server.port}/0"
            if transport == "leased":
                command += ["-p", "tests.celery_suite.leased"]
                settings = celery_settings(url) | {"result_backend": url}  # the plugin says which class that is
                (folder / "integration-tests-config.json").write_text(json.dumps(settings))
            places = {"TEST_BROKER": url, "TEST_BACKEND": url, "REDIS_PORT": str(server.port), "PYTHONPATH": str(ROOT)}
            # some tests start `celery`, which is beside this interpreter
            places["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
            command += arguments or SELECTION
            subprocess.run(command, cwd=folder, env=os.environ | places, stdout=log, stderr=log, check=False)
        return dict(outcomes(folder / "outcomes.xml"))


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the tests and pytest's options, but not Celery itself: the tests import the installed one."""
    with tarfile.open(archive) as tar:
        for member in tar:
            member.name = member.name.partition("/")[2]
            if member.name.startswith("t/") or member.name == "pyproject.toml":
                tar.extract(member, folder, filter="data")


def outcomes(report: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each test in a JUnit report, and how it ended."""
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}".removeprefix("t.integration.")
        kinds = [child for child in case if child.tag in ("failure", "error", "skipped")]
        yield name, f"{kinds[0].tag}: {kinds[0].get('message')}" if kinds else "passed"


def differences(stock: dict[str, str], leased: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name of each test that ended differently, and how it ended on both."""
    for name in sorted(stock.keys() | leased.keys()):
        ended = [outcome.get(name, "did not run") for outcome in (stock, leased)]
        if len({outcome.partition(":")[0] for outcome in ended}) > 1:
            yield name, f"stock {ended[0]}; leased {ended[1]}"


if __name__ == "__main__":
    main(sys.argv[1:])
