"""The pages of the documentation that start a stack, followed to the letter by a newcomer."""

import os
import shutil

import pytest

from tests.support.newcomer import Newcomer

pytestmark = pytest.mark.heavy

PAGES = ["docs/tutorial.md", "docs/how-to/retry-safely.md", "docs/how-to/chain-tasks.md"]
PAGES += ["docs/how-to/choose-ids-and-wait.md", "docs/how-to/use-the-client.md", "docs/how-to/schedule-jobs.md"]
PAGES += ["docs/how-to/send-mail.md", "docs/how-to/keep-records.md", "docs/how-to/debug-a-task.md"]
PAGES += ["docs/how-to/find-out-why-a-job-failed.md", "docs/how-to/watch-metrics.md"]
NEEDS = {
    "docs/tutorial.md": {"SMTP_HOST": ""},
    "docs/how-to/send-mail.md": {"NOTIFICATION_CONSUMERS": "1", "SMTP_HOST": ""},
}


@pytest.mark.parametrize("page", PAGES)
def test_a_newcomer_can_follow_the_page(newcomer: Newcomer, page: str) -> None:
    """Every command shows what the page shows; code that it adds works."""
    assert newcomer.follow(page, **NEEDS.get(page, {})) >= 3


def test_a_newcomer_can_submit_from_other_languages(newcomer: Newcomer) -> None:
    """From a shell, from Node and from another project with Celery."""
    if not shutil.which("node"):
        reason = "needs node"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    assert newcomer.follow("docs/how-to/submit-from-other-languages.md") == 9
