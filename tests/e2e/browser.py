"""A person's look at what runs: Airflow, MLflow and the sandbox CRM in the distribution's Chromium.

`python -m tests.e2e.browser FOLDER` takes the pictures of the docs while `make up` runs.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE = 60_000
"""Milliseconds to wait for a page."""
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def chromium() -> str | None:
    """Return the path of the machine's Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def a_page(size: dict[str, int]) -> Iterator[Page]:
    """Yield an empty page of a window of `size`."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=QUIET)
        page = browser.new_page(viewport=size)
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield page
        browser.close()


def log_in(page: Page, address: str, password: str) -> None:
    """Log in to Airflow as its admin."""
    page.goto(address)
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "login" not in url)


def fits(page: Page) -> bool:
    """Return whether the page needs no sideways scrolling."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def see(page: Page, address: str, words: str) -> None:
    """Open an address and wait until `words` stand on it; open it again, as a person does, when they do not come.

    MLflow's list of models asks its server once, and stays empty where the server was still busy starting.
    """
    page.goto(address, wait_until="domcontentloaded")
    found = page.get_by_text(words).first
    try:
        expect(found).to_be_visible(timeout=PATIENCE / 3)
    except AssertionError:
        page.reload(wait_until="domcontentloaded")
        expect(found).to_be_visible()


def take_pictures(folder: Path) -> None:
    """Write the pictures of the docs."""
    from orchestration.services import password, register

    folder.mkdir(parents=True, exist_ok=True)
    places = {service.name: service.address for service in register().services()}
    airflow, mlflow, crm = places["Airflow"], places["MLflow"], places["Sandbox CRM"]
    with a_page(DESKTOP) as page:
        log_in(page, airflow, password())
        _shoot(page, f"{airflow}/dags", "sync_segments", folder / "airflow-dags.png")
        _shoot(page, f"{airflow}/dags/sync_segments", "Last", folder / "airflow-sync.png")
        see(page, f"{mlflow}/#/models", "churn_28d")
        page.get_by_role("button", name="Try it now").click()  # MLflow's greeting
        page.get_by_text("churn_28d").first.click()
        page.wait_for_timeout(4000)
        page.screenshot(path=folder / "mlflow-champion.png")
        _shoot(page, crm, "Audienceflow repeat_buyers", folder / "crm.png")
        _shoot_evaluation(page, folder / "evaluation.png")
        page.set_viewport_size(PHONE)
        _shoot(page, crm, "Audienceflow repeat_buyers", folder / "crm-phone.png")


def _shoot_evaluation(page: Page, path: Path) -> None:
    from ml.models import registry

    run = registry.champion("churn_28d").run_id
    page.set_content(registry.read_artifact(run, "evaluation.html").decode())
    box = page.locator("#ranking").bounding_box()
    room = {"x": box["x"] - 24, "y": box["y"], "width": box["width"] + 48, "height": 1430}
    page.screenshot(path=path, clip=room, full_page=True)


def _shoot(page: Page, address: str, words: str, path: Path) -> None:
    see(page, address, words)
    page.wait_for_timeout(2000)  # charts draw themselves
    page.screenshot(path=path)


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]))
