"""What the tests of the page do in it."""

from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

NO_TOUR = "try { localStorage.setItem('glassqueue-tour', 'seen') } catch {}"  # about:blank may not remember


def open_page(context: BrowserContext, url: str) -> Page:
    """Return the page, once its forms are there."""
    page = context.new_page()
    failures: list[str | None] = []
    page.on("requestfailed", lambda request: failures.append(request.failure))
    page.goto(url)
    # Chromium drops its connections when a network interface comes or goes, as when a container starts nearby
    if "net::ERR_NETWORK_CHANGED" in failures:
        page.reload()
    expect(page.locator("#submit")).to_have_attribute("aria-busy", "false")
    return page


def is_complaint(message: ConsoleMessage) -> bool:
    """Tell whether the console shows an error; that a network interface has come or gone is none (see open_page)."""
    return message.type == "error" and "net::ERR_NETWORK_CHANGED" not in message.text


def submit(page: Page, task: str, count: int = 1, **values: Any) -> Locator:
    """Choose a task, fill in its form and submit it; return the line that follows the newest job."""
    page.get_by_label("task", exact=True).first.select_option(task)
    for name, value in values.items():
        page.locator(f"#submit-{name}").fill(str(value))
    page.get_by_role("button", name=f"Send {count:,} of {task}", exact=True).click()
    return page.locator(".followed")


def job_id(page: Page) -> str:
    """Return the id of the job that was submitted last."""
    link = page.locator(".followed a")
    expect(link).to_be_visible()
    return str(link.get_attribute("href")).removeprefix("#/jobs/")


def row(page: Page, job: str, body: str = "#recent") -> Locator:
    """Return the row of a job in a list."""
    return page.locator(f'{body} tr[data-key="{job}"]')
