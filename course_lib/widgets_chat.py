"""A chat in a notebook: the answer grows in its place while it is generated, and can be stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import ipywidgets

from course_lib.cards import Html
from course_lib.chat_view import conversation_html, turn_html
from course_lib.conversation import place_marks
from course_lib.widgets_base import FULL_LABEL, Interactive, alert_html, row, status_html
from course_lib.widgets_drop import PictureDrop

if TYPE_CHECKING:
    from PIL import Image

    from course_lib.engine import Engine, Picture

# Enter arrives as a message of its own, just before the text that it ends.
SETTLE = 0.1
REFRESH = 0.1  # seconds between two drawings of a growing answer: more often only fills the connection


class ChatBox(Interactive):
    """A text field, Send, Stop and Clear over a `Chat`; answers are generated in a thread, so that Stop is heard.

    `chat` is the conversation as the model sees it. Stop takes effect with the next piece of the answer.
    """

    def __init__(self, engine: Engine, image: Picture | Sequence[Picture] | None = None, *,
                 examples: Sequence[str] = (), turns: Sequence[tuple[str, str]] = (), first: str | None = None,
                 system: str | None = None, max_tiles: int | None = None, max_new_tokens: int = 128,
                 temperature: float = 0.0, top_p: float = 1.0):
        self.chat = engine.chat(image, system)
        self._given = list(self.chat.images)
        self._options = {"max_tiles": max_tiles, "max_new_tokens": max_new_tokens}
        pairs = [(("user", question), ("assistant", answer)) for question, answer in turns]
        messages = [{"role": role, "content": content} for pair in pairs for role, content in pair]
        self.chat.messages = place_marks(messages, len(self._given))
        self.attached: list[Image.Image] = []  # goes with the next question
        self._stopped, self._worker = threading.Event(), None
        self._make_controls(examples, temperature, top_p)
        if first is not None:
            self.chat.ask(first, **self._options, **self._sampling)
        self._show()

    @property
    def static(self) -> Html:
        """The conversation so far."""
        shown = conversation_html(self.chat.messages, self.chat.images)
        if self.chat.messages:
            return shown
        return Html(f"{shown.html}<p>No question asked yet.</p>", f"{shown.text}\nNo question asked yet.".strip())

    def wait(self, timeout: float | None = None) -> None:
        """Return when no answer is being generated any more, or after `timeout` seconds."""
        if self._worker is not None:
            self._worker.join(timeout)

    def _make_controls(self, examples: Sequence[str], temperature: float, top_p: float) -> None:
        # Not updated while typing: then the text is sent whole, right behind the message that Enter was pressed.
        self.text = ipywidgets.Text(
            description="question", placeholder="Enter sends", tooltip="your question; Enter sends it",
            style=FULL_LABEL, continuous_update=False, layout=ipywidgets.Layout(width="36em"),
        )
        self.text.on_msg(lambda _, content, __: self._start(SETTLE) if content.get("event") == "submit" else None)
        self.send, self.stop, self.clear, self.detach = (
            ipywidgets.Button(description=name, tooltip=tip, disabled=off) for name, tip, off in (
                ("Send", "ask the question", False), ("Stop", "end the answer that is being generated", True),
                ("Clear", "forget the conversation and begin anew", False),
                ("Remove pictures", "do not send the pictures that were added", True),
            )
        )  # fmt: skip
        for button, action in ((self.send, self._send), (self.stop, self._stop), (self.clear, self._clear),
                               (self.detach, self._detach)):
            button.on_click(lambda _, action=action: action())
        self.drop = PictureDrop("add pictures", self._attach, multiple=True)
        self.temperature = ipywidgets.FloatSlider(
            value=temperature, min=0, max=2, step=0.1, readout_format=".1f", description="temperature",
            tooltip="0 always takes the likeliest token", style=FULL_LABEL,
        )
        self.top_p = ipywidgets.FloatSlider(
            value=top_p, min=0.05, max=1, step=0.05, description="top-p",
            tooltip="draw from the likeliest tokens that hold this much probability together", style=FULL_LABEL,
        )
        self.examples = tuple(
            ipywidgets.Button(description=text, tooltip=f"put into the field: {text}",
                              layout=ipywidgets.Layout(width="auto"))
            for text in examples
        )  # fmt: skip
        for button in self.examples:
            button.on_click(lambda button: self._fill(button.description))
        self._past, self._live, self._alert, self._status, self._pending = (ipywidgets.HTML() for _ in range(5))
        # Laid out from its bottom, the box stays scrolled to the newest turn.
        turns = ipywidgets.Box(
            [ipywidgets.VBox([self._past, self._live], layout=ipywidgets.Layout(flex="0 0 auto"))],
            layout=ipywidgets.Layout(flex_flow="column-reverse", max_height="32em", overflow="auto"),
        )
        self.box = ipywidgets.VBox([
            turns, self._alert, self._status, *([row(*self.examples)] if self.examples else []),
            row(self.text, self.send, self.stop, self.clear),
            row(self.drop, self.detach), self._pending, row(self.temperature, self.top_p),
        ]).add_class("course-chat-box")  # fmt: skip

    @property
    def _sampling(self) -> dict[str, float]:
        return {"temperature": self.temperature.value, "top_p": self.top_p.value}

    def _fill(self, question: str) -> None:
        self.text.value = question
        self.text.focus()

    def _send(self) -> None:
        self.text.focus()  # Send is switched off for a while, and would lose the focus
        self._start(0)

    def _stop(self) -> None:
        self._stopped.set()
        self.text.focus()

    def _clear(self) -> None:
        self.chat.clear()
        self.chat.images = list(self._given)  # the pictures that the cell gave stay
        self._detach()
        self._show("Cleared: a new conversation.")

    def _detach(self, pictures: Sequence[Image.Image] | None = None) -> None:
        """Remove these pictures (default: all); others may have been added while an answer was generated."""
        gone = {id(picture) for picture in (self.attached if pictures is None else pictures)}
        self.attached = [picture for picture in self.attached if id(picture) not in gone]
        self._show_attached()

    def _attach(self, picture: Image.Image) -> None:
        self.attached.append(picture)
        self._show_attached()

    def _start(self, settle: float) -> None:
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._turn, args=(settle,), daemon=True)
            self._worker.start()

    def _turn(self, settle: float) -> None:
        """A question and its answer, in a thread: nothing is printed, only the widgets' values change."""
        time.sleep(settle)
        question, turns, pictures = self.text.value.strip(), len(self.chat.messages), list(self.attached)
        if not question:
            self._alert.value = alert_html("There is no question: type one into the field, then press Enter or Send.")
            return
        self.text.value, self._alert.value = "", ""
        self._stopped.clear()
        self._busy(True)
        try:
            self._generate(question, pictures)
        except Exception as error:  # noqa: BLE001  whatever it is, there is no cell below which a thread could show it
            self._alert.value = alert_html(f"No answer ({type(error).__name__}): {error}")
        finally:
            self._busy(False)
        answered = len(self.chat.messages) > turns
        if answered:
            self._detach(pictures)
        elif not self.text.value:
            self.text.value = question  # to be corrected or asked again
        self._show(_outcome(answered, self._stopped.is_set()))

    def _generate(self, question: str, pictures: Sequence[Image.Image]) -> None:
        answer, drawn = "", 0.0
        asked = turn_html("user", question, pictures, len(self.chat.images) + 1).html
        self._live.value = asked + turn_html("assistant", "", growing=True).html
        stream = self.chat.stream(question, pictures or None, **self._options, **self._sampling)
        with closing(stream):
            for piece in stream:
                answer += piece
                if time.monotonic() - drawn > REFRESH:
                    self._live.value = asked + turn_html("assistant", answer, growing=True).html
                    drawn = time.monotonic()
                if self._stopped.is_set():
                    break

    def _busy(self, busy: bool) -> None:
        self.send.disabled = self.clear.disabled = busy
        self.stop.disabled = not busy
        if busy:
            self._status.value = status_html("The model is answering; Stop ends the answer.")

    def _show(self, news: str = "") -> None:
        self._past.value, self._live.value = self.static.html, ""
        self._status.value = status_html(news)

    def _show_attached(self) -> None:
        self.detach.disabled = not self.attached
        waiting = conversation_html((), self.attached)
        self._pending.value = f"{status_html(waiting.text)}{waiting.html}" if self.attached else ""


def _outcome(answered: bool, stopped: bool) -> str:
    if answered:
        return "Stopped: what was said so far stays in the conversation." if stopped else "The answer is complete."
    return "Stopped before anything was said." if stopped else "There is no answer; the conversation is as it was."


def chat_box(engine: Engine, image: Picture | Sequence[Picture] | None = None, *, examples: Sequence[str] = (),
             **settings) -> ChatBox:
    """Chat with an engine (a VLM is one), about `image` if given; `examples` are questions to click on.

    `settings`: `first`, a question to be answered at once; `turns`, (question, answer) pairs to begin with; system,
    max_tiles, max_new_tokens, temperature, top_p. Raises ValueError where `first` cannot be asked.
    """
    return ChatBox(engine, image, examples=examples, **settings)
