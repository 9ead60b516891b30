"""A prompt and its labels, token by token, while they are written: what the model reads and what it learns."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import ipywidgets

from course_lib.cards import Html, open_picture
from course_lib.conversation import IGNORED, IMAGE_MARK, TURN_END, encode_example, place_marks, render_prompt
from course_lib.token_view import token_html, token_parts
from course_lib.widgets_base import FULL_LABEL, Interactive, alert_html, row, status_html

if TYPE_CHECKING:
    from course_lib.engine import Picture
    from course_lib.vlm import VLM

RIGHT, NO_END, ALL, NONE = "answers", "answers without their end", "everything", "nothing: the prompt to be answered"
MASK_NOTES = {
    RIGHT: "",
    NO_END: f"Wrong mask: {TURN_END} is not learned, so the model never learns to stop.",
    ALL: "Wrong mask: the model spends its learning on questions, system prompt and picture placeholders as well.",
    NONE: "No labels: this is the prompt as it is when the model is to answer.",
}
NO_PICTURE, ALL_PICTURES = "no picture", "all pictures"


class PromptViewer(Interactive):
    """Text fields, picture, tiles, system prompt and mask over `token_html`; only the last turn can be edited."""

    def __init__(self, vlm: VLM, messages: str | Sequence[Mapping[str, str]],
                 images: Picture | Sequence[Picture] | None = None, *, answer: str = "", max_tiles: int | None = None):
        from course_lib.chat import as_pictures

        self._tokenizer, self._spec = vlm.tokenizer, vlm.spec
        self._history, question, answer = _last_turn(messages, answer)
        self._sizes = [open_picture(picture).size for picture in as_pictures(images)]
        self.question, self.answer = (
            ipywidgets.Textarea(
                value=text, description=name, tooltip=tip, rows=3, style=FULL_LABEL,
                layout=ipywidgets.Layout(width="28em"),
            )
            for name, text, tip in (
                ("question", question, f"the user's turn; {IMAGE_MARK} marks where a picture stands"),
                ("answer", answer, "the assistant's turn, which is learned"),
            )
        )  # fmt: skip
        choices = [(NO_PICTURE, ())] + [(f"picture {i + 1} ({w} x {h})", (i,)) for i, (w, h) in enumerate(self._sizes)]
        if len(self._sizes) > 1:
            choices.append((ALL_PICTURES, tuple(range(len(self._sizes)))))
        self.picture = ipywidgets.Dropdown(
            options=choices, value=choices[-1][1], description="picture", tooltip="which picture the question is about",
            style=FULL_LABEL, layout=ipywidgets.Layout(width="17em"),
        )
        most = max_tiles or self._spec.max_tiles
        self.max_tiles = ipywidgets.IntSlider(
            value=most, min=1, max=max(12, most), description="max tiles",
            tooltip="the most tiles that a picture may become", style=FULL_LABEL,
        )
        self.system, self.ids = (
            ipywidgets.Checkbox(
                value=value, description=name, tooltip=tip, indent=False, layout=ipywidgets.Layout(width="auto"),
            )
            for name, value, tip in (
                ("system prompt", self._spec.system is not None, "begin with the checkpoint's system prompt"),
                ("token ids", False, "write every token's id beside it"),
            )
        )  # fmt: skip
        self.mask = ipywidgets.Dropdown(
            options=tuple(MASK_NOTES), value=RIGHT if answer else NONE, description="learned",
            tooltip="which tokens the loss looks at", style=FULL_LABEL, layout=ipywidgets.Layout(width="24em"),
        )
        self._view, self._alert, self._status = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        controls = (self.question, self.answer, self.picture, self.max_tiles, self.system, self.ids, self.mask)
        for control in controls:
            control.observe(lambda _: self._show(), names="value")
        self.box = ipywidgets.VBox([
            row(self.question, self.answer), row(self.picture, self.max_tiles),
            row(self.mask, self.system, self.ids), self._alert, self._status, self._view,
        ]).add_class("course-prompt-viewer")  # fmt: skip
        self._show()

    def encoded(self) -> tuple[list[int], list[int] | None]:
        """Token ids, and labels (None where nothing is learned). Raises ValueError as `encode_example` does."""
        messages = [*self._history, {"role": "user", "content": self.question.value}]
        pictures = self.picture.value
        visual = [self._visual_tokens(*self._sizes[i]) for i in pictures]
        settings = {"system": self._spec.system if self.system.value else None, "separator": self._spec.separator}
        if self.mask.value == NONE:
            prompt = render_prompt(place_marks(messages, len(pictures)), visual, **settings)
            return self._tokenizer(prompt)["input_ids"], None
        messages = place_marks([*messages, {"role": "assistant", "content": self.answer.value}], len(pictures))
        example = encode_example(messages, self._tokenizer, visual, **settings)
        ids, labels = example["input_ids"], example["labels"]
        if self.mask.value == ALL:
            labels = list(ids)
        elif self.mask.value == NO_END:
            end = self._tokenizer.convert_tokens_to_ids(TURN_END)
            labels = [IGNORED if label == end else label for label in labels]
        return ids, labels

    @property
    def static(self) -> Html:
        """Every token and the counts. Raises ValueError where the text cannot be encoded."""
        ids, labels = self.encoded()
        shown = token_html(ids, labels, self._tokenizer, show_ids=self.ids.value)
        counts = ", ".join(f"{part} {count}" for part, count in token_parts(ids, self._tokenizer).items() if count)
        notes = [f"{len(ids)} = {counts}", *[MASK_NOTES[self.mask.value]] * bool(MASK_NOTES[self.mask.value])]
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in notes)
        return Html(shown.html + lines, "\n".join([shown.text, *notes]))

    def _visual_tokens(self, width: int, height: int) -> int:
        return self._spec.tile_count(width, height, self.max_tiles.value) * self._spec.tokens_per_tile

    def _show(self) -> None:
        try:
            shown = self.static
        except ValueError as error:
            # The last tokens stay, so that nothing jumps while a field is empty for a moment.
            self._alert.value = alert_html(f"{error}\n(The tokens below are those of the text before.)")
            return
        self._alert.value, self._view.value = "", shown.html
        self._status.value = status_html(f"{len(self.encoded()[0])} tokens", unseen=True)


def _last_turn(
    messages: str | Sequence[Mapping[str, str]], answer: str
) -> tuple[list[Mapping[str, str]], str, str]:
    """(what came before, the last question, its answer). Raises ValueError."""
    if isinstance(messages, str):
        return [], messages, answer
    messages = list(messages)
    if messages and messages[-1]["role"] == "assistant":
        if answer:
            raise ValueError("the messages end with an answer already: leave out either that one or `answer`")
        answer = messages.pop()["content"]
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("no question to show: the messages must end with a user's turn, or with its answer")
    return messages[:-1], messages[-1]["content"], answer


def prompt_viewer(vlm: VLM, messages: str | Sequence[Mapping[str, str]],
                  images: Picture | Sequence[Picture] | None = None, *,
                  answer: str = "", max_tiles: int | None = None) -> PromptViewer:
    """See every token of a prompt, masked or learned, while editing its last question and `answer`.

    `messages` is a question or a conversation; nothing is computed by the model, only its tokenizer and settings are
    used. Raises ValueError where the given example cannot be encoded.
    """
    viewer = PromptViewer(vlm, messages, images, answer=answer, max_tiles=max_tiles)
    viewer.encoded()
    return viewer
