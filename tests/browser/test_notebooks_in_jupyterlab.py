"""Every notebook run in JupyterLab from its menu, and what it then shows: no error, all figures, widgets that answer.

Notebooks 05 to 07 use the runs that are there; without them (tests without `make test`) they train for minutes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from chat_page import ChatPage
from jupyterlab_server import JupyterLab
from notebook_page import PATIENCE, CellSeen, NotebookPage, copy_without_outputs
from PIL import Image
from watched_page import SCREENSHOTS, Watch, watched_page

from course_lib.course_run import numbered_notebooks
from course_lib.settings import pick_device

AN_HOUR = 3600


def params(paths: list[Path]) -> list:
    """A parameter a notebook. All tests of one run in the same worker, one after another: they share its run."""
    return [pytest.param(path, id=path.stem, marks=pytest.mark.xdist_group(path.stem)) for path in paths]


WIDGET = "application/vnd.jupyter.widget-view+json"
PATHS = numbered_notebooks()
WITH_EXPLORER, WITH_VOTE, WITH_CHAT, WITH_ATTENTION, WITH_CALCULATOR, WITH_STEPPER = (
    [path for path in PATHS if f"{widget}(" in path.read_text(encoding="utf-8")]
    for widget in (
        "tiling_explorer", "blind_vote", "chat_box", "attention_explorer", "memory_calculator",
        "space_to_depth_stepper",
    )
)
pytestmark = pytest.mark.timeout(AN_HOUR)


@dataclass(frozen=True)
class Ran:
    """A notebook after Run All Cells: still open, with its kernel."""

    source: Path
    notebook: NotebookPage
    watch: Watch
    cells: list[CellSeen]
    saved: nbformat.NotebookNode

    @property
    def code(self) -> list[nbformat.NotebookNode]:
        """The cells of code, as `cells` has them."""
        return [cell for cell in self.saved.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module", params=params(PATHS))
def ran(request: pytest.FixtureRequest, browser, jupyterlab: JupyterLab) -> Iterator[Ran]:
    """Run All Cells in a copy of the notebook; tests of the same notebook, wherever they stand, share it."""
    source = request.param
    copy = copy_without_outputs(source, jupyterlab.folder, gpu=pick_device()[0].type == "cuda")
    with watched_page(browser) as (page, watch):
        notebook = NotebookPage(page, jupyterlab, copy.name).open()
        try:
            cells = notebook.run_all(seconds=AN_HOUR / 2)
            saved = notebook.save()
        finally:
            notebook.screenshot(SCREENSHOTS / f"{source.stem}.png")
        yield Ran(source, notebook, watch, cells, saved)
    jupyterlab.shut_down_kernels()


def where(cell):
    return f"the cell that begins {cell.source.strip().splitlines()[0]!r}"


def test_every_cell_runs_and_none_fails_but_on_purpose(ran):
    assert len(ran.cells) == len(ran.code) > 0
    failed = {where(cell): output.evalue for cell in ran.code for output in cell.outputs
              if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", ())}  # fmt: skip
    assert failed == {}
    assert [seen.count for seen in ran.cells] == [str(number) for number in range(1, len(ran.cells) + 1)]
    assert ran.notebook.page.locator(".jp-Dialog").count() == 0


def test_every_cell_that_is_kept_with_a_picture_shows_one(ran):
    kept = {cell.id: cell for cell in nbformat.read(ran.source, as_version=4).cells}
    missing = [where(cell) for seen, cell in zip(ran.cells, ran.code, strict=True)
               if seen.broken or (seen.drawn < pictures(kept[cell.id]) and not shows_widget(cell))]  # fmt: skip
    assert missing == []
    assert sum(seen.drawn for seen in ran.cells) > 0


def pictures(cell):
    """How many pictures a kept cell displays; of those in HTML, one."""
    data = [output.get("data", {}) for output in cell.outputs]
    displayed = sum("image/png" in one or "image/jpeg" in one for one in data)
    return displayed + any("<img " in one.get("text/html", "") for one in data)


def shows_widget(cell):
    """Where there is a kernel, a widget may begin with another picture than its static form has, or with none."""
    return any(WIDGET in output.get("data", {}) for output in cell.outputs)


def test_every_widget_is_drawn(ran):
    from playwright.sync_api import expect

    page = ran.notebook.page
    drawn = ".jp-OutputArea-output:has(> .jupyter-widgets)"
    sent = [sum({WIDGET, "text/html"} <= output.get("data", {}).keys() for output in cell.outputs) for cell in ran.code]
    for number, count in enumerate(sent):  # with a static form: the course's own; a progress bar may be gone already
        if count:
            expect(page.locator(".jp-Notebook .jp-CodeCell").nth(number).locator(drawn)).to_have_count(
                count, timeout=PATIENCE
            )
    expect(page.get_by_text("Loading widget")).to_have_count(0, timeout=PATIENCE)
    assert page.get_by_text("Error displaying widget").count() == 0
    assert any(sent) or ran.source not in {*WITH_EXPLORER, *WITH_VOTE, *WITH_CHAT, *WITH_ATTENTION, *WITH_CALCULATOR}


def test_no_script_fails_and_nothing_is_fetched_from_elsewhere(ran):
    assert (ran.watch.errors, ran.watch.outside) == ([], [])


@pytest.mark.parametrize("ran", params(WITH_EXPLORER), indirect=True)
def test_the_tiling_explorers_slider_obeys_the_keyboard_and_the_picture_follows(ran):
    cell = ran.notebook.cell("tiling_explorer(")
    handle = cell.locator(".widget-slider").filter(has_text="max tiles").get_by_role("slider")
    at_12 = seen_in(cell, "at most 12 tiles")
    handle.press("ArrowLeft", timeout=PATIENCE)
    at_11 = seen_in(cell, "at most 11 tiles")
    handle.press("Home", timeout=PATIENCE)
    at_1 = seen_in(cell, "at most 1 tiles")
    handle.press("End", timeout=PATIENCE)
    assert seen_in(cell, "at most 12 tiles") == at_12
    assert at_11 == at_1 != at_12  # the photograph's only good grid takes all 12 tiles
    assert (at_12[0], at_1[0]) == (13 * 256, 256)


@pytest.mark.parametrize("ran", params(WITH_EXPLORER), indirect=True)
def test_the_tiling_explorer_takes_a_picture_of_the_learners_own(ran, tmp_path):
    cell = ran.notebook.cell("tiling_explorer(")
    before = seen_in(cell, "512 x 600 px")
    Image.new("RGB", (300, 900), "teal").save(tmp_path / "tall.png")
    with ran.notebook.page.expect_file_chooser(timeout=PATIENCE) as chooser:
        cell.get_by_role("button", name="your picture").click(timeout=PATIENCE)
    chooser.value.set_files(tmp_path / "tall.png")
    tokens, picture = seen_in(cell, "300 x 900 px, at most 12 tiles: a grid of 1 x 3")
    assert tokens == 4 * 256 and picture != before[1]


def seen_in(cell, words):
    """(visual tokens, the picture under its grid) that an explorer shows, once these words are there."""
    from playwright.sync_api import expect

    output = cell.locator(".jp-OutputArea")
    expect(output).to_contain_text(words, timeout=PATIENCE)
    tokens = re.search(r"= (\d+) visual tokens", output.inner_text(timeout=PATIENCE))
    return int(tokens[1]), output.get_by_role("img").first.get_attribute("src", timeout=PATIENCE)


@pytest.mark.parametrize("ran", params(WITH_VOTE), indirect=True)
def test_votes_are_cast_with_keys_and_clicks_and_taken_back_and_the_kernel_has_them(ran):
    from playwright.sync_api import expect

    box = ran.notebook.page.locator(".course-blind-vote")
    status = box.get_by_role("status")
    a, b, tie, undo = (box.get_by_role("button", name=name) for name in (
        "A is better", "B is better", "No difference", "Undo"))  # fmt: skip
    total = int(re.search(r"0 of (\d+) voted", status.inner_text(timeout=PATIENCE))[1])

    def expect_votes(count):
        expect(status).to_contain_text(f"{count} of {total} voted", timeout=PATIENCE)
        if count < total:
            expect(box.get_by_role("img")).to_have_attribute(
                "alt", f"picture {count + 1} of {total}", timeout=PATIENCE
            )

    expect_votes(0)
    expect(undo).to_be_disabled(timeout=PATIENCE)
    a.focus(timeout=PATIENCE)
    a.press("Enter")
    expect_votes(1)
    a.press("Tab")
    expect(b).to_be_focused(timeout=PATIENCE)
    b.press("Space")
    expect_votes(2)
    tie.click(timeout=PATIENCE)
    expect_votes(3)
    undo.click(timeout=PATIENCE)
    expect_votes(2)
    for count in range(2, total):
        b.click(timeout=PATIENCE)
        expect_votes(count + 1)
    expect(a).to_be_disabled(timeout=PATIENCE)
    expect(status).to_contain_text("preferred", timeout=PATIENCE)  # only now: who stood where
    score = ran.notebook.run_cell("votes so far")
    expect(score.locator(".jp-OutputArea")).to_contain_text(f"votes so far: {total} of {total}", timeout=PATIENCE)


@pytest.mark.parametrize("ran", params(WITH_CHAT), indirect=True)
def test_questions_typed_into_the_chat_box_are_answered_piece_by_piece(ran):
    chat = ChatPage(ran.notebook.page.locator(".course-chat-box").first)
    for question in ("请描述这张图片。", "Where is it?"):
        growing = chat.ask(question)
        answer = chat.wait_for_end("The answer is complete.")
        assert growing() and all(answer.startswith(text) for text in growing()), (growing(), answer)
        assert chat.said()[-2:] == [("You", question), ("Model", answer)]


@pytest.mark.parametrize("ran", params(WITH_ATTENTION), indirect=True)
def test_another_word_has_another_heat(ran):
    from playwright.sync_api import expect

    box = ran.notebook.page.locator(".course-attention-explorer")
    picture, status = box.get_by_role("img").first, box.get_by_role("status")
    before, words = picture.get_attribute("src", timeout=PATIENCE), status.inner_text(timeout=PATIENCE)
    box.get_by_role("slider").press("ArrowRight", timeout=PATIENCE)
    expect(status).not_to_have_text(words, timeout=PATIENCE)
    expect(picture).not_to_have_attribute("src", before, timeout=PATIENCE)
    box.get_by_role("slider").press("ArrowLeft", timeout=PATIENCE)
    expect(picture).to_have_attribute("src", before, timeout=PATIENCE)
    box.evaluate("box => box.scrollIntoView({block: 'center'})")
    ran.notebook.page.screenshot(path=SCREENSHOTS / "attention.png", timeout=PATIENCE)


@pytest.mark.parametrize("ran", params(WITH_CALCULATOR), indirect=True)
def test_fewer_records_at_a_time_need_less_memory(ran):
    from playwright.sync_api import expect

    box = ran.notebook.page.locator(".course-memory-calculator")
    status = box.get_by_role("status")
    before = status.inner_text(timeout=PATIENCE)
    records = box.locator(".widget-slider").filter(has_text="records at a time")
    records.get_by_role("slider").press("Home", timeout=PATIENCE)
    expect(status).not_to_have_text(before, timeout=PATIENCE)
    needed = [float(re.search(r"[\d.]+(?= GiB)", text)[0]) for text in (before, status.inner_text(timeout=PATIENCE))]
    assert needed[1] < needed[0]


@pytest.mark.parametrize("ran", params(WITH_STEPPER), indirect=True)
def test_the_stepper_goes_on_and_back_by_keyboard(ran):
    from playwright.sync_api import expect

    box = ran.notebook.page.locator(".course-shuffle-stepper")
    onward, back, status = (box.get_by_role("button", name="Next"), box.get_by_role("button", name="Back"),
                            box.get_by_role("status").first)  # fmt: skip
    words = status.inner_text(timeout=PATIENCE)
    onward.press("Enter", timeout=PATIENCE)
    expect(status).not_to_have_text(words, timeout=PATIENCE)
    back.press("Enter", timeout=PATIENCE)
    expect(status).to_have_text(words, timeout=PATIENCE)
