"""A real Chromium and a real JupyterLab, for the tests of what a learner sees.

Both last for one file of tests: as long as Playwright is there, the thread has a running event loop, in which other
tests (of notebooks without a browser, say) could not start theirs.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jupyterlab_server import JupyterLab, serve
from watched_page import SCREENSHOTS, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSER = pytest.StashKey["Browser"]()


@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    """Chromium, without a window: the system's, or the one that Playwright installed. Skips where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(chromium).is_file():
            command = f"apt-get install chromium, or {Path(sys.executable).name} -m playwright install chromium"
            pytest.skip(f"no Chromium to see the notebooks with: {command}")
        flags = ["--disable-dev-shm-usage"]  # a container's /dev/shm may hold 64 MiB only
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        pytestconfig.stash[BROWSER] = browser
        yield browser
        del pytestconfig.stash[BROWSER]
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page. A test has failed whose page had an error of a script, or wanted something from elsewhere."""
    with watched_page(browser) as (page, watch):
        yield page
    assert (watch.errors, watch.outside) == ([], [])


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """JupyterLab on an empty folder, for the notebooks that the tests put there."""
    with serve(tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("jupyter")) as lab:
        yield lab


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under `--dist loadgroup`, the tests of one file share a worker and its servers; or of a notebook, if marked so."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of what was on the screen when a test failed."""
    from playwright.sync_api import Error

    report = yield
    browser = item.config.stash.get(BROWSER, None)
    if report.failed and report.when != "teardown" and browser is not None:
        for number, page in enumerate(page for context in browser.contexts for page in context.pages):
            file = SCREENSHOTS / f"failed-{re.sub(r'[^0-9a-zA-Z]+', '-', item.name).strip('-')}-{number}.png"
            try:
                page.screenshot(path=file, timeout=60_000)  # makes the folder
                report.sections.append(("screenshot", str(file)))
            except Error as error:  # the browser itself may have been what failed
                report.sections.append(("no screenshot", str(error)))
    return report
