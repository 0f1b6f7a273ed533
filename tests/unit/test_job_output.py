"""The mark of a job in what its threads print."""

import subprocess
import sys

from tests.support.processes import ROOT

# in a process of its own, as mark_threads() changes all threads of a process
PROGRAM = """
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from project import job_output

job_output.mark_prints()
job_output.mark_threads()
shared = ThreadPoolExecutor(1)

def print_in_threads():
    thread = Thread(target=print, args=["thread"])
    thread.start()
    thread.join()
    shared.submit(print, "shared executor").result()

for job_id in "ab":
    job_output.begin(job_id)
    print_in_threads()
    job_output.end()
print_in_threads()
"""


def test_threads_print_with_the_id_of_the_job_that_started_them() -> None:
    """As long as it runs: an executor that jobs share never shows the id of a job that has ended."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.splitlines() == [
        "job_id=a thread",
        "job_id=a shared executor",
        "job_id=b thread",
        "shared executor",
        "thread",
        "shared executor",
    ]
