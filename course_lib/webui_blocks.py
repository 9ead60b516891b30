"""The web page's parts and what each event does. What is said with the models is webui_speakers' business."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from course_lib.sampling import Sampling
from course_lib.webui_page import Page, notice, seed_of
from course_lib.webui_pictures import ENDINGS
from course_lib.webui_speakers import Wish
from course_lib.webui_texts import EN, TEXTS, Refused, Texts, language_of
from course_lib.webui_visit import Visit

HOUR = 3600
FRAME = 0.08  # seconds at least between two updates of a page: an answer grows faster than one can read
QUEUE = {"concurrency_id": "models"}
SILENT = {"queue": False, "show_progress": "hidden"}


def build(page: Page) -> gr.Blocks:
    """The page with all its events."""
    with gr.Blocks(
        title=EN.title, analytics_enabled=False, fill_width=True, delete_cache=(HOUR, 6 * HOUR)
    ) as blocks:
        parts = _Parts(page)
        parts.connect(blocks)
    return blocks


class _Parts:
    """The components, by name, and the events between them."""

    def __init__(self, page: Page):
        self.page, models, words = page, page.models, EN
        most_tiles = max(model.spec.max_tiles for model in models)
        first = [0, *(number for number, model in enumerate(models) if model.role == "after")][:2]
        self.visit = gr.State(Visit(), time_to_live=page.hours * HOUR, delete_callback=Visit.leave)
        with gr.Row(elem_id="head"):
            self.head = gr.HTML(self.heading(words, "en"))
            self.language = gr.Radio(
                [("中文", "zh"), ("English", "en")], value="en", label=words.language, container=False, scale=0,
                min_width=200, elem_id="language",
            )  # fmt: skip
        with gr.Row():
            with gr.Column(scale=4, min_width=420):
                with gr.Row():
                    self.chats = [
                        gr.Chatbot(
                            label=page.label(model, "en"), height="calc(100vh - 430px)", min_height=320,
                            placeholder=words.welcome, buttons=[], feedback_options=None, latex_delimiters=[],
                            visible=number in first, elem_id=f"chat-{number}", elem_classes="chat",
                        )
                        for number, model in enumerate(models)
                    ]  # fmt: skip
                self.notice = gr.HTML(elem_id="notice")
                gr.HTML('<p role="alert"></p>', elem_id="refused")
                self.box = gr.MultimodalTextbox(
                    file_types=ENDINGS, file_count="multiple", sources=["upload"], placeholder=words.ask_here,
                    label=words.ask_here, show_label=False, submit_btn=words.send, max_plain_text_length=100_000,
                    autofocus=True, elem_id="box",
                )  # fmt: skip
                with gr.Row():
                    self.stop = gr.Button(words.stop, variant="stop", size="sm", interactive=False, elem_id="stop")
                    self.retry = gr.Button(words.retry, size="sm", elem_id="retry")
                    self.undo = gr.Button(words.undo, size="sm", elem_id="undo")
                    self.clear = gr.Button(words.clear, size="sm", elem_id="clear")
                self.hint = gr.Markdown(words.examples, elem_id="hint")
                self.examples = gr.Gallery(
                    self.gallery("en"), label=words.examples, show_label=False, columns=len(page.examples), rows=1,
                    height="auto", allow_preview=False, object_fit="cover", buttons=[], interactive=False,
                    container=False, elem_id="examples",
                )  # fmt: skip
            with gr.Column(scale=1, min_width=270, elem_id="side"):
                self.answering = gr.CheckboxGroup(
                    self.choices("en"), value=first, label=words.models, visible=len(models) > 1, elem_id="models"
                )
                with gr.Accordion(words.settings) as self.settings:
                    plain = {"buttons": []}
                    self.temperature = gr.Slider(0, 2, 0, step=0.05, label=words.temperature, **plain,
                                                 info=words.temperature_info, elem_id="temperature")  # fmt: skip
                    self.top_p = gr.Slider(0.05, 1, 1, step=0.05, label=words.top_p, info=words.top_p_info, **plain)
                    self.top_k = gr.Slider(0, 100, 0, step=1, label=words.top_k, info=words.top_k_info, **plain)
                    self.seed = gr.Textbox("", max_length=9, label=words.seed, info=words.seed_info)
                    self.most = gr.Slider(1, 1024, 128, step=1, label=words.max_new_tokens, elem_id="most", **plain)
                    self.max_tiles = gr.Slider(1, most_tiles, most_tiles, step=1, label=words.max_tiles,
                                               info=words.max_tiles_info, **plain)  # fmt: skip
                    after = any(models[number].task == "food" for number in first)  # as FoodieQA's records have it
                    self.place = gr.Radio(
                        self.places(words), value="after" if after else "before", label=words.place,
                        info=words.place_info,
                    )
                    # A model with room for few pictures has hardly learned from many.
                    self.fresh = gr.Checkbox(min(model.room for model in models) < 2**14, label=words.fresh,
                                             info=words.fresh_info)  # fmt: skip
        with gr.Accordion(words.tiles, open=False, elem_id="tiles") as self.tiles_part:
            self.tiles = gr.HTML(f"<p>{words.tiles_none}</p>")
        self.wishes = [self.temperature, self.top_p, self.top_k, self.seed, self.most, self.max_tiles, self.place,
                       self.fresh]  # fmt: skip

    def connect(self, blocks: gr.Blocks) -> None:
        answered = [*self.chats, self.notice, self.box, self.stop, self.tiles, self.visit]
        asked = [*self.chats, self.notice, self.box, self.stop, self.visit]
        answer = {"fn": self.on_answer, "inputs": [*self.wishes, self.language, self.visit], "outputs": answered,
                  "concurrency_limit": self.page.speakers.at_once, **QUEUE}  # fmt: skip
        sent = self.box.submit(
            self.on_send, [self.box, self.answering, self.language, self.visit], asked, api_name="send", **SILENT
        )
        sent.then(**answer, api_name="answer", show_progress="minimal")
        again = self.retry.click(
            self.on_retry, [self.answering, self.language, self.visit], asked, api_name="retry", **SILENT
        )
        again.then(**answer, api_visibility="private", show_progress="minimal")
        self.undo.click(self.on_undo, [self.language, self.visit], asked, api_name="undo", **SILENT)
        self.stop.click(Visit.stop, self.visit, None, api_name="stop", **SILENT)
        self.clear.click(self.on_clear, [self.language, self.visit], answered, api_name="clear", **SILENT)
        for chat in self.chats:  # each has a bin in its corner
            chat.clear(self.on_clear, [self.language, self.visit], answered, api_visibility="private", **SILENT)
        self.answering.change(
            lambda chosen: [gr.update(visible=number in chosen) for number in range(len(self.chats))],
            self.answering, self.chats, api_visibility="private", **SILENT,
        )  # fmt: skip
        self.examples.select(
            self.on_example, self.language, [self.box, self.place, self.answering], api_visibility="private", **SILENT
        )
        words = [self.head, *self.chats, self.notice, self.box, self.stop, self.retry, self.undo, self.clear, self.hint,
                 self.examples, self.answering, self.settings, *self.wishes, self.tiles_part, self.tiles]  # fmt: skip
        self.language.change(
            self.in_language, [self.language, self.visit, self.max_tiles], words, api_visibility="private", **SILENT
        )
        blocks.load(self.on_load, None, self.language, api_visibility="private", **SILENT)

    def on_load(self, request: gr.Request) -> str:
        return language_of(request.headers.get("accept-language", ""))

    def on_send(self, box: dict[str, Any], answering: list[int], language: str, visit: Visit) -> list[Any]:
        try:
            self.page.accept(visit, box, answering, language)
        except Refused as refused:
            return [*[gr.skip()] * len(self.chats), notice(refused.text(language)), gr.skip(), gr.skip(), visit]
        return [*self.page.conversations(visit, language), notice(), {"text": "", "files": []},
                gr.update(interactive=True), visit]  # fmt: skip

    def on_answer(
        self, temperature: float, top_p: float, top_k: float, seed: str, most: float, max_tiles: float,
        place: str, fresh: bool, language: str, visit: Visit,
    ) -> Iterator[list[Any]]:  # fmt: skip
        skipped = [gr.skip(), gr.skip(), gr.skip(), gr.skip(), visit]
        if visit.state != "waiting":
            yield [*[gr.skip()] * len(self.chats), *skipped]
            return
        turn, message, shown = visit.turns[-1], notice(), 0.0
        try:
            sampling = Sampling(int(most), temperature, top_p, int(top_k), seed_of(seed))
            wish = Wish(sampling, int(max_tiles), place == "after", fresh)
            for _ in self.page.speakers.answer(visit, wish):
                if time.monotonic() - shown > FRAME:
                    yield [*self.page.conversations(visit, language), *skipped]
                    shown = time.monotonic()
            if turn.forgotten:
                room = min(self.page.models[number].room for number in turn.answers)
                message = notice(TEXTS[language].forgot.format(room=room, turns=turn.forgotten))
        except Exception as error:  # whatever an engine died of, the page lives
            message = self.page.explain(error, language)
            visit.take_back_waiting()
        failed = turn not in visit.turns
        box = {"text": turn.question, "files": turn.files} if failed and message else gr.skip()
        yield [*self.page.conversations(visit, language), message, box, gr.update(interactive=False),
               self.page.tiles_of(visit, int(max_tiles), language), visit]  # fmt: skip

    def on_retry(self, answering: list[int], language: str, visit: Visit) -> list[Any]:
        try:
            turn = visit.undo()
            turn.answers, turn.notes = dict.fromkeys(sorted(answering) or turn.answers, ""), {}
            turn.before, turn.forgotten = {}, 0
            visit.turns.append(turn)
            visit.state = "waiting"
        except Refused as refused:
            return [*[gr.skip()] * len(self.chats), notice(refused.text(language)), gr.skip(), gr.skip(), visit]
        return [*self.page.conversations(visit, language), notice(), gr.skip(), gr.update(interactive=True), visit]

    def on_undo(self, language: str, visit: Visit) -> list[Any]:
        try:
            turn = visit.undo()
        except Refused as refused:
            return [*[gr.skip()] * len(self.chats), notice(refused.text(language)), gr.skip(), gr.skip(), visit]
        files = [file for file in turn.files if Path(file).is_file()]  # the server's temporary files do not last
        box = {"text": turn.question, "files": files}
        return [*self.page.conversations(visit, language), notice(), box, gr.skip(), visit]

    def on_clear(self, language: str, visit: Visit) -> list[Any]:
        visit.clear()
        return [*[[] for _ in self.chats], notice(), {"text": "", "files": []}, gr.update(interactive=False),
                self.page.tiles_of(visit, 1, language), visit]  # fmt: skip

    def on_example(self, language: str, chosen: gr.SelectData) -> tuple[dict[str, Any], str, Any]:
        """Into the box with it, and beside the base let the model answer that was tuned for its task."""
        example = self.page.examples[chosen.index]
        tuned = [number for number, model in enumerate(self.page.models) if model.task and model.task == example.task]
        answering = [0, tuned[0]] if tuned else gr.skip()
        return {"text": example.question(language), "files": [str(example.picture)]}, example.place, answering

    def in_language(self, language: str, visit: Visit, max_tiles: float) -> list[Any]:
        """Updates for every part of the page that has words, in the order in which `connect` lists them."""
        words = TEXTS[language]
        chats = [
            gr.update(label=self.page.label(model, language), placeholder=words.welcome, value=conversation)
            for model, conversation in zip(self.page.models, self.page.conversations(visit, language), strict=True)
        ]
        texts = [words.temperature, words.top_p, words.top_k, words.seed, words.max_new_tokens, words.max_tiles]
        infos = [words.temperature_info, words.top_p_info, words.top_k_info, words.seed_info, None,
                 words.max_tiles_info]  # fmt: skip
        return [
            self.heading(words, language), *chats, notice(),
            gr.update(placeholder=words.ask_here, label=words.ask_here, submit_btn=words.send),
            *(gr.update(value=text) for text in (words.stop, words.retry, words.undo, words.clear)),
            words.examples, gr.update(label=words.examples, value=self.gallery(language)),
            gr.update(label=words.models, choices=self.choices(language)),
            gr.update(label=words.settings),
            *(gr.update(label=text, info=info) for text, info in zip(texts, infos, strict=True)),
            gr.update(label=words.place, info=words.place_info, choices=self.places(words)),
            gr.update(label=words.fresh, info=words.fresh_info),
            gr.update(label=words.tiles), self.page.tiles_of(visit, int(max_tiles), language),
        ]  # fmt: skip

    def heading(self, words: Texts, language: str) -> str:
        models = html.escape(" · ".join(model.name for model in self.page.models))
        return f'<h1>{words.title}</h1><p lang="{language}">{models} ({html.escape(self.page.device)})</p>'

    def gallery(self, language: str) -> list[tuple[str, str]]:
        return [(str(example.picture), example.caption(language)) for example in self.page.examples]

    def choices(self, language: str) -> list[tuple[str, int]]:
        return [(self.page.label(model, language), number) for number, model in enumerate(self.page.models)]

    @staticmethod
    def places(words: Texts) -> list[tuple[str, str]]:
        return [(words.place_before, "before"), (words.place_after, "after")]
