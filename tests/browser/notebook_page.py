"""A notebook open in JupyterLab, worked and read as a person does: menus, keys, buttons, and what is to be seen."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from jupyterlab_server import JupyterLab

from course_lib.course_run import KERNEL

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SECOND = 1000  # Playwright counts milliseconds
PATIENCE = 120 * SECOND  # for one reaction of the page or the kernel, on a machine that is busy with something else
TALLEST = 12_000  # pixels of a notebook that a screenshot shows
NOT_RUN = {"gpu", "nbval-skip"}  # the tags of cells that the tests do not run (gpu: without one)

# Of each cell of code: the number beside it ("*" while it waits or runs, "" if it never ran), its pictures.
CELLS = """() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')].map(cell => {
    const pictures = [...cell.querySelectorAll('.jp-OutputArea-output img')].filter(image => image.complete);
    return {count: cell.querySelector('.jp-InputPrompt').innerText.replace(/[\\[\\]:\\s]/g, ''),
            drawn: pictures.filter(image => image.naturalWidth > 0).length,
            broken: pictures.filter(image => image.naturalWidth == 0).length};
})"""
# No cell waits or runs: all ran, or one failed and the rest was called off. Or a dialog says that the kernel died.
AT_REST = f"""() => !!document.querySelector('.jp-Dialog') || !({CELLS})().some(cell => cell.count == '*')
    && document.querySelector('#jp-main-statusbar').innerText.includes('| Idle')"""
ANY_STARTED = f"() => ({CELLS})().some(cell => cell.count)"
# From its beginning, not from where it was scrolled to; the room that JupyterLab leaves below the last cell is no part.
WHOLE_HEIGHT = """() => {
    const [notebook, last] = [document.querySelector('.jp-WindowedPanel-outer'),
                              [...document.querySelectorAll('.jp-Notebook .jp-Cell')].at(-1)];
    notebook.scrollTop = 0;
    return last.getBoundingClientRect().bottom;
}"""


@dataclass(frozen=True)
class CellSeen:
    """What the page shows of a cell of code: "12", "*" or "", and how many pictures, drawn and broken."""

    count: str
    drawn: int
    broken: int


def copy_without_outputs(source: Path, folder: Path, *, gpu: bool) -> Path:
    """A copy to run in the browser: what its cells show is of that run. Cells that the tests skip become a remark."""
    notebook = nbformat.read(source, as_version=4)
    for number, cell in enumerate(notebook.cells):
        left_out = NOT_RUN & set(cell.metadata.get("tags", ())) - ({"gpu"} if gpu else set())
        if cell.cell_type == "code" and left_out:
            text = f"*(Tagged {', '.join(left_out)}: left out here.)*\n\n```python\n{cell.source}\n```"
            notebook.cells[number] = nbformat.v4.new_markdown_cell(text, id=cell.id)
        elif cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    for picture in source.parent.glob("*.png"):  # that its text shows
        shutil.copy(picture, folder)
    copy = folder / source.name
    nbformat.write(notebook, copy)
    return copy


def write_notebook(folder: Path, name: str, *sources: str) -> str:
    """A new notebook of these cells of code; its name."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), folder / name)
    return name


class NotebookPage:
    """The notebook `name` of the server's folder, in a page of the browser."""

    def __init__(self, page: Page, lab: JupyterLab, name: str):
        self.page, self.lab, self.name = page, lab, name

    def open(self) -> NotebookPage:
        """Show it, in an empty workspace, with its kernel ready and the file browser closed."""
        self.page.goto(f"{self.lab.url}lab/tree/{self.name}?reset&token={self.lab.token}", timeout=PATIENCE)
        # Not the circle beside the kernel's name: it is that of an idle kernel before there is one, and what is run
        # then is lost.
        self.page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=PATIENCE)
        self.page.keyboard.press("Control+b")
        self.page.locator("#jp-left-stack").wait_for(state="hidden", timeout=PATIENCE)
        return self

    def menu(self, *path: str) -> None:
        """Choose from the menu bar: `menu("Run", "Run All Cells")`."""
        for item in path:
            self.page.get_by_role("menuitem", name=item, exact=True).click(timeout=PATIENCE)

    def run_all(self, *, seconds: float) -> list[CellSeen]:
        """Run > Run All Cells, and wait until all ran or one failed. Raises Playwright's TimeoutError."""
        self.menu("Run", "Run All Cells")
        self.page.wait_for_function(ANY_STARTED, timeout=PATIENCE, polling=100)
        return self.wait_at_rest(seconds=seconds)

    def wait_at_rest(self, *, seconds: float) -> list[CellSeen]:
        """Wait until no cell runs, and the kernel is idle."""
        self.page.wait_for_function(AT_REST, timeout=seconds * SECOND, polling=500)
        return self.cells()

    def cells(self) -> list[CellSeen]:
        return [CellSeen(**cell) for cell in self.page.evaluate(CELLS)]

    def cell(self, words: str) -> Locator:
        """The cell of code in whose source these words stand."""
        return self.page.locator(".jp-CodeCell").filter(
            has=self.page.locator(".jp-InputArea-editor").filter(has_text=words)
        )

    def run_cell(self, words: str) -> Locator:
        """Click into a cell and run it with Ctrl+Enter. It is returned at once, and may still run."""
        cell = self.cell(words)
        cell.locator(".cm-content").click(timeout=PATIENCE)
        self.page.keyboard.press("Control+Enter")
        return cell

    def interrupt(self) -> None:
        """The toolbar's stop button."""
        self.page.locator('.jp-Toolbar-item[data-jp-item-name="interrupt"] >> role=button').click(timeout=PATIENCE)

    def save(self) -> nbformat.NotebookNode:
        """Save with Ctrl+S; the file's content, with the outputs as the kernel sent them."""
        saved = f"{self.lab.url}api/contents/{self.name}"
        with self.page.expect_response(
            lambda answer: answer.url.startswith(saved) and answer.request.method == "PUT", timeout=PATIENCE
        ) as answer:
            self.page.keyboard.press("Control+s")
        assert answer.value.ok, f"{self.name} could not be saved: {answer.value.status}"
        return nbformat.read(self.lab.folder / self.name, as_version=4)

    def screenshot(self, file: Path) -> None:
        """The whole notebook in one picture, where it is not too tall."""
        usual = self.page.viewport_size
        height = int(self.page.evaluate(WHOLE_HEIGHT)) + 60
        self.page.set_viewport_size({"width": usual["width"], "height": min(height, TALLEST)})
        self.page.screenshot(path=file, animations="disabled", timeout=PATIENCE)  # makes the folder
        self.page.set_viewport_size(usual)
