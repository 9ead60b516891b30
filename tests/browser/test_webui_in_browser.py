"""The web page in Chromium, as a learner uses it, on the small model before and after tuning.

After tuning: the runs that notebook 05 has left. A copy of the small model with spoilt weights never ends an answer.
"""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from watched_page import SCREENSHOTS
from PIL import Image, ImageDraw
from watched_page import WINDOW, watched_page

from course_lib.settings import model_folder
from course_lib.webui import course_runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SECOND = 1000  # Playwright counts milliseconds
PATIENCE = 30 * SECOND
PASTE = """(box, bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], 'pasted.png', {type: 'image/png'}));
    box.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
}"""


@contextmanager
def page_in_a_process(tuned: list[str] | None) -> Iterator[str]:
    """The page's address. Ctrl-C ends the process."""
    code = f"from course_lib.webui import launch; launch(tuned={tuned!r}, max_megabytes=1)"
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/", said)):
            line = server.stdout.readline()
            assert line, f"the server ended: {said}"
            said += line
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        ended = server.wait(timeout=60)
    assert ended == 0


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(spoilt_model(tmp_path_factory.mktemp("models") / "spoilt"))


@pytest.fixture(scope="module")
def address(spoilt: str) -> Iterator[str]:
    """The small model beside the course's runs; beside the spoilt one where there are none."""
    with page_in_a_process(None if course_runs(model_folder()) else [spoilt]) as address:
        yield address


@pytest.fixture(scope="module")
def babbling(spoilt: str) -> Iterator[str]:
    """The small model beside the spoilt one, whose answers hardly ever end by themselves."""
    with page_in_a_process([spoilt]) as address:
        yield address


def spoilt_model(folder: Path) -> Path:
    from course_lib.checkpoint import load_checkpoint, save_checkpoint

    vlm = load_checkpoint(model_folder(), device="cpu")
    for parameter in vlm.model.parameters():
        parameter.data = parameter.data.flip(0)
    vlm.model.lm_head.weight.data[list(vlm.spec.stop_token_ids)] = 0
    save_checkpoint(vlm, folder)
    return folder


class Talk:
    """A visitor's page."""

    def __init__(self, page: Page, address: str):
        self.page = page
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        self.box = page.locator("#box textarea")
        self.box.wait_for()
        page.get_by_role("radio", name="English").check()
        page.get_by_role("heading", name="Talk to InternVL").wait_for()

    def side(self, number: int = 0) -> Locator:
        return self.page.locator(f"#chat-{number}")

    def answers(self, number: int = 0) -> Locator:
        return self.side(number).locator(".message.bot")

    def answering(self, *names: str) -> None:
        """Let only the models answer whose names end so."""
        for number, choice in enumerate(self.page.locator("#models label").all()):
            wanted = choice.inner_text().strip().endswith(names)
            choice.locator("input").set_checked(wanted)
            self.side(number).wait_for(state="visible" if wanted else "hidden")

    def only_before_tuning(self) -> None:
        self.answering("internvl-mini")

    def example(self, number: int) -> None:
        self.page.locator("#examples button.thumbnail-lg").nth(number).click()
        self.page.locator("#box .thumbnail-item, #box .thumbnails img").first.wait_for()

    def upload(self, picture: bytes, name: str = "mine.png") -> None:
        file = {"name": name, "mimeType": "image/png", "buffer": picture}
        self.page.locator("#box input[type=file]").set_input_files(file)
        self.page.locator("#box .thumbnails img").first.wait_for()

    def send(self, question: str | None = None) -> None:
        if question is not None:
            self.box.fill(question)
        self.box.press("Enter")

    def answered(self, turns: int, number: int = 0) -> str:
        """The text of the latest answer, once no model speaks any more."""
        self.page.wait_for_function(
            "([side, turns]) => document.querySelectorAll(`${side} .message.bot`).length >= turns"
            " && document.querySelector('#stop').disabled",
            arg=[f"#chat-{number}", turns],
        )
        return self.answers(number).last.inner_text().strip()

    def set(self, settings: dict[str, str]) -> None:
        for name, value in settings.items():
            field = self.page.get_by_role("spinbutton", name=re.compile(name))
            field.fill(value)
            field.press("Tab")


def drawn(colour: str) -> bytes:
    picture = Image.new("RGB", (224, 224), "white")
    ImageDraw.Draw(picture).ellipse((50, 50, 170, 170), fill=colour)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_an_example_is_picked_and_both_models_answer_it_side_by_side(page: Page, address: str):
    talk = Talk(page, address)
    talk.example(0)
    assert talk.box.input_value() == "图片中的食物通常属于哪个菜系?"
    talk.send()
    before, after = talk.answered(1, 0), talk.answered(1, 1)
    assert before and after and before != after
    for side in (0, 1):
        image = talk.side(side).locator(".message.user img").first
        assert image.get_attribute("alt") and image.evaluate("image => image.naturalWidth") > 0
    talk.example(2)
    talk.send()
    talk.answered(2, 0)
    page.mouse.move(0, 0)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "webui.png")


def test_pictures_come_by_upload_and_by_pasting_and_each_is_answered(page: Page, address: str):
    talk = Talk(page, address)
    talk.only_before_tuning()
    talk.upload(drawn("red"))
    talk.send("What colour is the circle?")
    assert "red" in talk.answered(1).lower()
    talk.box.evaluate(PASTE, list(drawn("blue")))
    page.locator("#box .thumbnails img").first.wait_for()
    talk.send("What colour is the circle?")
    assert "blue" in talk.answered(2).lower()


def babble(talk: Talk) -> int:
    """Let the spoilt model begin an answer that hardly ends; the number of its side."""
    talk.answering("spoilt")
    talk.set({"Longest answer": "1024"})
    talk.send("Tell me about everything")
    side = talk.page.locator("#models label").count() - 1
    talk.answers(side).first.wait_for()
    return side


def test_an_answer_grows_until_stop_and_the_next_turn_works(page: Page, babbling: str):
    talk = Talk(page, babbling)
    side, lengths = babble(talk), []
    for _ in range(3):
        lengths.append(len(talk.answers(side).last.inner_text()))
        page.wait_for_timeout(150)
    assert lengths == sorted(lengths) and lengths[-1] > lengths[0]
    page.locator("#stop").click()
    assert talk.answered(1, side).endswith("(stopped)")
    talk.set({"Longest answer": "16"})
    talk.send("And now?")
    assert talk.answered(2, side)


def test_a_visitor_who_has_to_wait_sees_the_queue_and_is_answered_when_the_other_stops(browser: Browser, babbling: str):
    with watched_page(browser) as (one, _), watched_page(browser) as (other, _):
        first, second = Talk(one, babbling), Talk(other, babbling)
        babble(first)
        second.only_before_tuning()
        second.send("hello")
        second.side().get_by_text(re.compile(r"queue: \d+/\d+")).first.wait_for()
        one.locator("#stop").click()
        assert second.answered(1)


def test_clear_empties_everything(page: Page, address: str):
    talk = Talk(page, address)
    talk.send("hello")
    talk.answered(1)
    page.get_by_role("button", name="Clear", exact=True).last.click()
    talk.answers().first.wait_for(state="detached")
    assert page.locator(".message").count() == 0 and talk.box.input_value() == ""


def test_the_tiles_that_the_model_sees_are_shown_on_demand(page: Page, address: str):
    talk = Talk(page, address)
    talk.example(5)
    talk.send()
    talk.answered(1)
    page.get_by_role("button", name="What the model sees").click()
    page.get_by_text(re.compile(r"640 x 448 px: a grid of \d x \d")).wait_for()
    assert page.locator("#tiles img[alt='tile 1']").is_visible()


def test_the_language_switches_everything_and_a_browsers_own_is_the_first(browser: Browser, address: str):
    with browser.new_context(viewport=WINDOW, locale="zh-CN") as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_role("heading", name="与 InternVL 对话").wait_for(timeout=PATIENCE)
        for words in ("停止", "重新回答", "撤回", "清空", "发送"):
            page.get_by_text(words, exact=True).last.wait_for(timeout=PATIENCE)
        page.screenshot(path=SCREENSHOTS / "webui-zh.png")
        page.get_by_role("radio", name="English").check()
        page.get_by_role("heading", name="Talk to InternVL").wait_for(timeout=PATIENCE)
        page.get_by_role("button", name="Take back").wait_for(timeout=PATIENCE)


def test_files_that_are_refused_are_explained_and_the_chat_goes_on(page: Page, address: str):
    talk = Talk(page, address)
    talk.only_before_tuning()
    talk.upload(drawn("red")[:300])
    talk.send("What is this?")
    page.get_by_role("alert").get_by_text("mine.png is damaged").wait_for()
    page.locator("#clear").click()
    page.locator("#box .thumbnails img").wait_for(state="detached")
    page.locator("#box input[type=file]").set_input_files(
        {"name": "large.png", "mimeType": "image/png", "buffer": bytes(3 * 2**20)}
    )
    page.get_by_role("alert").get_by_text("large.png is larger than 1 MB").wait_for()
    talk.send("hello")
    assert talk.answered(1)


def test_two_visitors_see_only_their_own_chats(browser: Browser, address: str):
    with watched_page(browser) as (one, first), watched_page(browser) as (other, second):
        talks = [Talk(one, address), Talk(other, address)]
        for talk, question in zip(talks, ("the first secret", "the second secret"), strict=True):
            talk.only_before_tuning()
            talk.send(question)
        for talk in talks:
            talk.answered(1)
        assert "first secret" in talks[0].side().inner_text() and "second" not in talks[0].side().inner_text()
        assert "second secret" in talks[1].side().inner_text() and "first" not in talks[1].side().inner_text()
    assert (first.errors, first.outside, second.errors, second.outside) == ([], [], [], [])
