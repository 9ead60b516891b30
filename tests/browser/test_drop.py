"""A picture of one's own in JupyterLab: dropped, pasted or chosen, it is tiled; one too large is never sent."""

import base64
import re

import pytest
from notebook_page import PATIENCE, NotebookPage, write_notebook
from PIL import Image
from watched_page import watched_page

pytestmark = pytest.mark.timeout(900)

EXPLORER = """
from PIL import Image
from course_lib.widgets import tiling_explorer
tiling_explorer(Image.new("RGB", (448, 448), "navy"))
"""
SEVERAL = """
import ipywidgets
from course_lib.widgets_drop import PictureDrop
taken, sizes = [], ipywidgets.Label()
def take(picture):
    taken.append(picture.size)
    sizes.value = str(taken)
ipywidgets.VBox([PictureDrop("add pictures", take, multiple=True), sizes])
"""
COPY = """async text => {
    const picture = await (await fetch(`data:image/png;base64,${text}`)).blob();
    await navigator.clipboard.write([new ClipboardItem({'image/png': picture})]);
}"""
COPY_WORDS = "() => navigator.clipboard.writeText('words')"
# From here on, how large the largest message to the server is.
WEIGH = """() => {
    const send = WebSocket.prototype.send;
    window.largest_message = 0;
    WebSocket.prototype.send = function (data) {
        window.largest_message = Math.max(window.largest_message, data.byteLength ?? data.length);
        return send.call(this, data);
    };
}"""
MIB = 2**20


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Files of several shapes, with weight behind the picture's end or without, and two that are no pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, size, weight in (("tall", (300, 900), 0), ("wide", (900, 300), 0), ("small", (200, 100), 0),
                               ("heavy", (600, 100), 7 * MIB), ("huge", (700, 100), 12 * MIB)):  # fmt: skip
        Image.new("RGB", size, "teal").save(folder / f"{name}.png")
        with (folder / f"{name}.png").open("ab") as file:
            file.write(bytes(weight))
    (folder / "torn.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def to_choose():
    """The files with which the browser's file dialogue is answered, in turn."""
    return []


@pytest.fixture(scope="module")
def notebook(browser, jupyterlab, to_choose):
    """A notebook whose cells show the widgets; a test that runs such a cell has the widget as it is at first."""
    name = write_notebook(jupyterlab.folder, "drop.ipynb", EXPLORER.strip(), SEVERAL.strip())
    with watched_page(browser) as (page, watch):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        # Here, as it takes Playwright a moment until it answers dialogues: one opened before that is never answered.
        page.on("filechooser", lambda dialogue: dialogue.set_files(to_choose.pop(0)))
        yield NotebookPage(page, jupyterlab, name).open()
    jupyterlab.shut_down_kernels()
    assert (watch.errors, watch.outside) == ([], [])


@pytest.fixture
def explorer(notebook):
    """The output of a cell with a tiling explorer. Every test leaves another picture in it than the first."""
    output = notebook.run_cell("tiling_explorer(").locator(".jp-OutputArea")
    expect_tiled(output, "448 x 448 px")
    return output


def expect_tiled(output, words):
    """Wait until the picture of this size is tiled; the figure's source."""
    from playwright.sync_api import expect

    expect(output.get_by_role("status")).to_contain_text(words, timeout=PATIENCE)
    return output.get_by_role("img").first.get_attribute("src", timeout=PATIENCE)


def drop(output, *files):
    """Drag files from outside the browser over the zone, and let them go there."""
    zone = output.get_by_role("group")
    zone.scroll_into_view_if_needed(timeout=PATIENCE)
    corner = zone.bounding_box(timeout=PATIENCE)
    mouse = zone.page.context.new_cdp_session(zone.page)
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    for event in ("dragEnter", "dragOver", "drop"):
        if event == "drop":
            assert "over" in zone.get_attribute("class").split()
        place = {"x": corner["x"] + 20, "y": corner["y"] + 5}
        mouse.send("Input.dispatchDragEvent", {"type": event, "data": data, **place})
    mouse.detach()
    assert "over" not in zone.get_attribute("class").split()


def copy(page, file):
    page.evaluate(COPY, base64.b64encode(file.read_bytes()).decode())


def test_dropped_pasted_and_chosen_pictures_each_replace_the_figure(explorer, pictures, notebook):
    page, chooser = notebook.page, explorer.locator("input[type=file]")
    seen = {expect_tiled(explorer, "448 x 448 px")}
    drop(explorer, pictures / "tall.png")
    seen.add(expect_tiled(explorer, "300 x 900 px"))
    copy(page, pictures / "wide.png")
    explorer.get_by_text("or drop it here").click(timeout=PATIENCE)
    page.keyboard.press("Control+v")
    seen.add(expect_tiled(explorer, "900 x 300 px"))
    chooser.set_input_files(pictures / "small.png")
    seen.add(expect_tiled(explorer, "200 x 100 px"))
    assert len(seen) == 4

    drop(explorer, pictures / "tall.png")
    expect_tiled(explorer, "300 x 900 px")
    chooser.set_input_files(pictures / "small.png")  # the same file once more
    expect_tiled(explorer, "200 x 100 px")


def test_the_keyboard_alone_opens_the_file_dialogue_and_pastes(explorer, pictures, notebook, to_choose):
    from playwright.sync_api import expect

    page, button = notebook.page, explorer.get_by_role("button", name="your picture")
    explorer.get_by_role("checkbox", name="thumbnail").focus(timeout=PATIENCE)
    page.keyboard.press("Tab")
    expect(button).to_be_focused(timeout=PATIENCE)
    assert button.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    to_choose += [pictures / "tall.png", pictures / "small.png"]
    for key, size in (("Enter", "300 x 900 px"), ("Space", "200 x 100 px")):
        page.keyboard.press(key)
        expect_tiled(explorer, size)
    copy(page, pictures / "wide.png")
    page.keyboard.press("Control+v")
    expect_tiled(explorer, "900 x 300 px")
    page.evaluate(COPY_WORDS)
    page.keyboard.press("Control+v")
    expect(explorer.get_by_role("alert")).to_contain_text("The clipboard holds no picture", timeout=PATIENCE)


def test_a_paste_elsewhere_in_the_notebook_is_left_alone(explorer, pictures, notebook):
    from playwright.sync_api import expect

    drop(explorer, pictures / "tall.png")
    expect_tiled(explorer, "300 x 900 px")
    notebook.page.evaluate(COPY_WORDS)
    notebook.cell("taken.append").locator(".cm-content").click(timeout=PATIENCE)
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.type("  # ")
    notebook.page.keyboard.press("Control+v")
    expect(notebook.cell("# words")).to_have_count(1, timeout=PATIENCE)
    assert explorer.get_by_role("alert").inner_text(timeout=PATIENCE) == ""


def test_what_is_too_large_or_no_picture_is_refused_unsent_and_the_next_picture_is_taken(explorer, pictures, notebook):
    from playwright.sync_api import expect

    page, alert = notebook.page, explorer.get_by_role("alert")
    before = expect_tiled(explorer, "448 x 448 px")
    page.evaluate(WEIGH)
    for name, words in (("huge.png", "huge.png has 12.0 MiB"), ("notes.txt", "notes.txt is not a picture")):
        drop(explorer, pictures / name)
        expect(alert).to_have_text(re.compile(f"{re.escape(words)}.*at most 8 MiB"), timeout=PATIENCE)
    assert page.evaluate("window.largest_message") < MIB
    for _ in range(2):
        drop(explorer, pictures / "torn.png")  # only Python finds out
        expect(alert).to_contain_text("torn.png is not a picture", timeout=PATIENCE)
    assert expect_tiled(explorer, "448 x 448 px") == before

    drop(explorer, pictures / "tall.png", pictures / "wide.png")
    expect_tiled(explorer, "300 x 900 px")
    expect(alert).to_contain_text("One picture at a time", timeout=PATIENCE)
    drop(explorer, pictures / "heavy.png")
    expect_tiled(explorer, "600 x 100 px")
    expect(alert).to_be_empty(timeout=PATIENCE)
    assert 7 * MIB < page.evaluate("window.largest_message") < 10 * MIB


def test_several_pictures_together_larger_than_a_message_all_arrive(pictures, notebook):
    from playwright.sync_api import expect

    output = notebook.run_cell("taken.append").locator(".jp-OutputArea")
    drop(output, pictures / "heavy.png", pictures / "huge.png", pictures / "heavy.png", pictures / "tall.png")
    expect(output.get_by_role("alert")).to_contain_text("huge.png has 12.0 MiB", timeout=PATIENCE)
    expect(output).to_contain_text("[(600, 100), (600, 100), (300, 900)]", timeout=PATIENCE)
