"""The file that shows that a consumer is up."""

from pathlib import Path

from project.settings import Settings
from tests.support.processes import Worker


def test_a_consumer_does_without_the_folder_of_a_stack(settings: Settings, tmp_path: Path) -> None:
    """As `make consumer` does for a stack on another machine; it leaves no folder behind that `make up` would refuse."""
    missing = tmp_path / "run"
    worker = Worker(settings.redis, tmp_path, "extra", app="project.consumer", run_dir=missing)
    try:
        worker.ready()
        assert worker.stop() == 0
    finally:
        worker.kill()
    assert "Traceback" not in worker.log.read_text()
    assert not missing.exists()
