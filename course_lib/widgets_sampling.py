"""Temperature, top-p and top-k at work on one distribution, and what is drawn from it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets
from PIL import Image

from course_lib.cards import Html
from course_lib.sampling import next_token_probabilities
from course_lib.token_view import distribution_html
from course_lib.widgets_base import FULL_LABEL, Interactive, row, status_html

if TYPE_CHECKING:
    import torch

    from course_lib.vlm import VLM

DRAWS = 20


class SamplingExplorer(Interactive):
    """Sliders over the distribution of the next token, and draws from it; the model runs once, when made.

    `draws` holds the token ids drawn last, empty once a slider has moved: they came from another distribution.
    """

    def __init__(self, vlm: VLM, question: str, image: Image.Image | Path | str | None = None, *,
                 answer_so_far: str = "", temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0, seed: int = 0,
                 top: int = 8):
        # At temperature 1 the logarithms of the probabilities are logits, so every other setting follows from them.
        self._logits = vlm.next_token_distribution(question, image, answer_so_far=answer_so_far).log()
        # The same tokens in every view, so that a slider shows what it does to them.
        self._tokenizer, self._tokens = vlm.tokenizer, self._logits.topk(top).indices.tolist()
        self.draws: list[int] = []
        wide = {"style": FULL_LABEL, "layout": ipywidgets.Layout(width="26em")}
        self.temperature = ipywidgets.FloatSlider(
            value=temperature, min=0, max=2, step=0.1, readout_format=".1f", description="temperature",
            tooltip="0 always takes the likeliest token; above 1 flattens the distribution", **wide,
        )
        self.top_p = ipywidgets.FloatSlider(
            value=top_p, min=0.05, max=1, step=0.05, description="top-p",
            tooltip="keep the likeliest tokens that hold this much probability together", **wide,
        )
        self.top_k = ipywidgets.IntSlider(
            value=top_k, min=0, max=50, description="top-k (0: all tokens)", tooltip="keep only the k likeliest tokens",
            **wide,
        )
        self.seed = ipywidgets.BoundedIntText(
            value=seed, min=0, max=2**31 - 1, description="seed", tooltip="the same seed draws the same tokens",
            style=FULL_LABEL, layout=ipywidgets.Layout(width="10em"),
        )
        self.draw = ipywidgets.Button(
            description=f"Draw {DRAWS} tokens", tooltip=f"draw {DRAWS} tokens from the distribution and count them",
        )
        self._view, self._status = ipywidgets.HTML(), ipywidgets.HTML()
        for control in (self.temperature, self.top_p, self.top_k, self.seed):
            control.observe(lambda _: self._show(draws=[]), names="value")
        self.draw.on_click(lambda _: self._show(draws=self._drawn()))
        self.box = ipywidgets.VBox(
            [self.temperature, self.top_p, self.top_k, row(self.draw, self.seed), self._view,
             self._status]
        ).add_class("course-sampling-explorer")
        self._show(draws=[])

    @property
    def probabilities(self) -> torch.Tensor:
        """Probabilities `[vocabulary]` at the sliders' settings."""
        return next_token_probabilities(self._logits, self.temperature.value, self.top_p.value, self.top_k.value)

    @property
    def static(self) -> Html:
        cut = f", top-k {self.top_k.value}" if self.top_k.value else ""
        caption = f"next token at temperature {self.temperature.value:.1f}, top-p {self.top_p.value:.2f}{cut}"
        if self.draws:
            caption += f"; {len(self.draws)} drawn with seed {self.seed.value}"
        counts = Counter(self.draws) if self.draws else None
        return distribution_html(
            self.probabilities.tolist(), self._tokenizer, tokens=self._tokens, caption=caption, counts=counts
        )

    def _drawn(self) -> list[int]:
        import torch

        generator = torch.Generator().manual_seed(self.seed.value)
        return torch.multinomial(self.probabilities, DRAWS, replacement=True, generator=generator).tolist()

    def _show(self, *, draws: list[int]) -> None:
        self.draws = draws
        shown = self.static
        self._view.value = shown.html
        # A screen reader gets one line at each step of a slider, not the table anew.
        self._status.value = status_html(f"likeliest: {shown.text.splitlines()[1]}", unseen=True)


def sampling_explorer(
    vlm: VLM, question: str, image: Image.Image | Path | str | None = None, **settings
) -> SamplingExplorer:
    """Explore how the first token of an answer is chosen (or the next, after `answer_so_far`).

    `settings`: answer_so_far, temperature, top_p, top_k, seed, and `top`, how many tokens the table lists.
    """
    return SamplingExplorer(vlm, question, image, **settings)
