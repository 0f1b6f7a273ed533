"""The consumer's log: each line of a job has its job_id, and a failed job leaves its traceback."""

import re
from functools import partial

import pytest

from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until

POOLS = ["prefork", pytest.param("forked", marks=pytest.mark.heavy), "threads", "solo"]


def lines_with(tasks: Tasks, worker: str, text: str) -> list[str]:
    """Return the lines of a worker's log that contain a text."""
    return [line for line in tasks.log(worker).decode().splitlines() if text in line]


def marked(tasks: Tasks, worker: str, text: str, job_id: str, count: int = 1) -> bool:
    """Return whether a text is in that many lines of the log, and each of them has the job's id once."""
    return [line.count(f"job_id={job_id} ") for line in lines_with(tasks, worker, text)] == [1] * count


@pytest.mark.parametrize("pool", POOLS)
def test_every_line_that_a_job_logs_or_prints_has_its_job_id(tasks: Tasks, pool: str) -> None:
    """Partial prints, prints without an end of line, stderr, loggers of libraries, records of several lines, coroutines."""
    worker = f"talks-{pool}"
    tasks.worker(worker, pool, 2)
    names = [f"{worker}-a", f"{worker}-b"][: 1 if pool == "solo" else 2]  # two jobs side by side where that is possible
    ids = {name: tasks.submit("talk", name, queue=worker) for name in names}
    for name in names:
        tasks.came(name)
    for name in names:
        tasks.open(name)
    for name, job_id in ids.items():
        tasks.ended(job_id)
        wait_until(partial(lines_with, tasks, worker, f"success job_id={job_id}"), what="the end is logged")
        assert marked(tasks, worker, f"print {name} in parts, then the rest", job_id)
        for text in ("error of", "library of", "no end of line of"):
            assert marked(tasks, worker, f"{text} {name}", job_id), tasks.log(worker).decode()
        assert [line for line in lines_with(tasks, worker, job_id) if line.endswith(" and a second line")]
        assert [line for line in lines_with(tasks, worker, job_id) if line.endswith(" in two lines")]
    later = tasks.submit("talk_later", worker, queue=worker)
    tasks.ended(later)
    assert marked(tasks, worker, f"coroutine of {worker}", later, 2)


def test_threads_and_isolated_processes_of_a_job_have_its_job_id_too(tasks: Tasks) -> None:
    """In a prefork slot every line belongs to the job; an isolated body logs as the consumer does."""
    thread, isolated = tasks.submit("talk_in_thread", "prefork"), tasks.submit("inspect_process", "marked")
    tasks.ended(thread)
    tasks.ended(isolated)
    assert marked(tasks, "prefork", "thread of prefork", thread)
    assert marked(tasks, "prefork", "isolated: marked", isolated)
    assert marked(tasks, "prefork", f"INFO a.package: job_id={isolated}", isolated)


@pytest.mark.parametrize("pool", POOLS)
def test_a_failed_job_leaves_its_traceback_in_the_log(tasks: Tasks, pool: str) -> None:
    """Each line of the traceback has the job's id, and the line of the event follows."""
    worker = f"fails-{pool}"
    tasks.worker(worker, pool)
    job_id = tasks.submit("talk", worker, True, queue=worker)
    tasks.came(worker)
    tasks.open(worker)
    tasks.ended(job_id)
    wait_until(lambda: lines_with(tasks, worker, f"failure job_id={job_id}"), what="the end is logged")
    text = "\n".join(lines_with(tasks, worker, f"job_id={job_id} "))
    assert re.search(rf"ERROR glassqueue.job: job_id={job_id} Traceback \(most recent call last\):\n", text)
    assert f"job_id={job_id} ValueError: {worker}\njob_id={job_id} fails\n" in text
    assert re.search(rf"(?m)failure job_id={job_id} .* error=ValueError: '{worker}\\nfails'$", text)


def test_a_run_that_is_tried_again_leaves_its_traceback_in_the_log(tasks: Tasks) -> None:
    """As a warning, because the job has not failed yet."""
    job_id = tasks.submit("fail_at_length", 2, True)
    wait_until(lambda: lines_with(tasks, "prefork", f"retry job_id={job_id}"), what="the retry is logged")
    lines = lines_with(tasks, "prefork", job_id)
    assert any(f"WARNING glassqueue.job: job_id={job_id} Traceback" in line for line in lines)
    assert f"job_id={job_id} ValueError: ('ää', 2)" in lines


def test_a_job_whose_process_is_lost_is_in_the_log(tasks: Tasks) -> None:
    """The consumer's main process logs the job, and how its process ended."""
    job_id = tasks.submit("die_slowly_or_at_once", False)
    tasks.ended(job_id)
    wait_until(lambda: lines_with(tasks, "prefork", f"failure job_id={job_id}"), what="the loss is logged")
    assert "error=WorkerLostError: " in lines_with(tasks, "prefork", f"failure job_id={job_id}")[0]
