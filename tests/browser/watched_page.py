"""A page of the browser, with a watch on what goes wrong in it without being seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from course_lib.course_run import BUILD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SCREENSHOTS = BUILD / "screenshots"
WINDOW = {"width": 1280, "height": 900}
ELSEWHERE = re.compile(r"^(?!data:|blob:|https?://(?:127\.0\.0\.1|localhost)[:/])")


@dataclass
class Watch:
    """Errors of the page's scripts, and the addresses outside this machine that it asked for (and did not get)."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def refuse(self, route: Route) -> None:
        self.outside.append(route.request.url)
        route.abort()


@contextmanager
def watched_page(browser: Browser) -> Iterator[tuple[Page, Watch]]:
    """An empty page, with cookies and storage of its own, and its Watch."""
    watch = Watch()
    with browser.new_context(viewport=WINDOW) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: watch.errors.append(error.stack or error.message))
        page.on("console", lambda said: watch.errors.append(said.text) if said.type == "error" else None)
        page.route(ELSEWHERE, watch.refuse)
        yield page, watch
