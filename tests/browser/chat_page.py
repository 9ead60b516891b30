"""The chat box of a notebook, as a person uses it: type, Enter, watch the answer grow, Stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from notebook_page import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Locator

# Each text that the answer has while it is still growing, kept on the box.
WATCH = """box => {
    box.growing = [];
    box.watch ??= new MutationObserver(() => {
        const text = box.querySelector('[aria-busy="true"]')?.textContent.replace(/…$/, '');
        if (text && text != box.growing.at(-1)) box.growing.push(text);
    });
    box.watch.observe(box, {subtree: true, childList: true, characterData: true});
}"""
SAID = """groups => groups.map(group => [group.getAttribute('aria-label'), group.lastElementChild.textContent])"""


class ChatPage:
    """A chat box's element in the page."""

    def __init__(self, box: Locator):
        self.box = box
        self.field = box.get_by_role("textbox", name="question").first
        self.stop = box.get_by_role("button", name="Stop")

    def ask(self, question: str) -> Callable[[], list[str]]:
        """Type a question, and Enter. What it returns tells the texts that the growing answer has had so far."""
        self.field.wait_for(timeout=PATIENCE)
        self.box.evaluate(WATCH)
        self.turns = len(self.said())
        self.field.fill(question)
        self.field.press("Enter")
        return lambda: self.box.evaluate("box => box.growing")

    def wait_for_end(self, words: str) -> str:
        """The whole answer, once there is one, the status says so, and the box is ready for the next question."""
        from playwright.sync_api import expect

        groups = self.box.get_by_role("group", name="Model").or_(self.box.get_by_role("group", name="You"))
        expect(groups).to_have_count(self.turns + 2, timeout=PATIENCE)
        expect(self.box.get_by_role("status").filter(has_text=words)).to_have_count(1, timeout=PATIENCE)
        expect(self.stop).to_be_disabled(timeout=PATIENCE)
        expect(self.field).to_have_value("", timeout=PATIENCE)
        return self.said()[-1][1]

    def said(self) -> list[tuple[str, str]]:
        """("You" or "Model", text) of each turn, oldest first."""
        turns = self.box.locator('[role=group][aria-label="You"], [role=group][aria-label="Model"]')
        return [tuple(turn) for turn in turns.evaluate_all(SAID)]
