"""A headless Chromium for the tests of pages; without one they are skipped, or fail where CI says so."""

import os
import shutil

import journals
import pytest

from edgevolve.reports.page import report_page
from edgevolve.runs import Run
from tests.reports.open_page import Page

REQUIRED = "EDGEVOLVE_BROWSER_TESTS"
"""Set to `required`, a missing Chromium is a failure."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
)


def opened(profile):
    """A headless Chromium that keeps what it must in the folder `profile`; None where there is none."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        return None
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(driver))
    browser.set_script_timeout(120)
    return browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    driver = opened(tmp_path_factory.mktemp("profile"))
    if driver is None:
        missing = "needs Chromium and its driver: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(missing)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = journals.write(tmp_path_factory.mktemp("made") / "run", *journals.long_history(80))
    run = Run.open(folder)
    path = folder / "report.html"
    path.write_text(report_page([run], ["artifacts/made"]))
    return run, path.as_uri()


@pytest.fixture
def page(browser, made):
    opened = Page(browser).open(made[1])
    yield opened
    assert opened.errors() == []
