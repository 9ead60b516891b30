"""Pixel shuffle one token at a time: Back, Next and a slider over `patch_view`."""

from __future__ import annotations

from pathlib import Path

import ipywidgets
from PIL import Image

from course_lib.cards import Html, open_picture
from course_lib.patch_view import numbered, numbered_step, pictured, pictured_step
from course_lib.widgets_base import FULL_LABEL, Interactive, row, status_html

NUMBERS, PICTURE = "numbers", "picture"


class ShuffleStepper(Interactive):
    """Steps 0 (patches alone), 1 … n (a token each) and n + 1 (all of them), over numbers or a picture's tile."""

    def __init__(self, tile: Image.Image | Path | str | None = None, *, grid: int = 4, channels: int = 2,
                 picture_grid: int = 8):
        self._parts = {NUMBERS: (numbered(grid, channels), numbered_step)}
        if tile is not None:
            self._parts[PICTURE] = (pictured(open_picture(tile), picture_grid), pictured_step)
        self.mode = ipywidgets.ToggleButtons(
            options=tuple(self._parts), description="patches of", style=FULL_LABEL,
            tooltips=("patches with names", "the patches of a tile")[: len(self._parts)],
        )
        self.slider = ipywidgets.IntSlider(
            value=0, min=0, max=self._last, description="step", tooltip="0: patches alone; then a token at each step",
            style=FULL_LABEL,
        )
        self.back = ipywidgets.Button(description="◀ Back", tooltip="one step back")
        self.next = ipywidgets.Button(description="Next ▶", tooltip="one step on")
        # Never switched off, so that the keyboard's focus stays on them: at the ends they do nothing.
        self.back.on_click(lambda _: self._go(self.slider.value - 1))
        self.next.on_click(lambda _: self._go(self.slider.value + 1))
        self._view, self._status = ipywidgets.HTML(), ipywidgets.HTML()
        self.slider.observe(lambda _: self._show(), names="value")
        self.mode.observe(self._changed_mode, names="value")
        controls = [self.back, self.next, self.slider]
        self.box = ipywidgets.VBox([
            row(*([self.mode, *controls] if tile is not None else controls)), self._view, self._status,
        ]).add_class("course-shuffle-stepper")  # fmt: skip
        self._show()

    @property
    def shown(self) -> Html:
        """The panel of the step now chosen."""
        parts, panel = self._parts[self.mode.value]
        return panel(parts, self.slider.value)

    @property
    def static(self) -> Html:
        """Every step with numbers, and the last of the picture."""
        parts, panel = self._parts[NUMBERS]
        panels = [panel(parts, step) for step in range(parts.count + 2)]
        if PICTURE in self._parts:
            parts, panel = self._parts[PICTURE]
            panels.append(panel(parts, parts.count + 1))
        return Html("".join(panel.html for panel in panels), "\n".join(panel.text for panel in panels))

    @property
    def _last(self) -> int:
        return self._parts[self.mode.value][0].count + 1

    def _go(self, step: int) -> None:
        self.slider.value = max(0, min(step, self._last))

    def _changed_mode(self, _) -> None:
        self.slider.value = 0
        self.slider.max = self._last
        self._show()

    def _show(self) -> None:
        shown = self.shown
        self._view.value = shown.html
        self._status.value = status_html(f"Step {self.slider.value} of {self._last}")


def space_to_depth_stepper(tile: Image.Image | Path | str | None = None, *, grid: int = 4, channels: int = 2,
                           picture_grid: int = 8) -> ShuffleStepper:
    """Step through space-to-depth beside a plain reshape: `grid` x `grid` patches of `channels` numbers each.

    With a `tile` (a square picture) also over its `picture_grid` x `picture_grid` patches. Raises ValueError for an
    odd grid, or one with more than 26 patches to name.
    """
    return ShuffleStepper(tile, grid=grid, channels=channels, picture_grid=picture_grid)
