"""How a picture of any shape is tiled: sliders over `tile_view`, with a picture of one's own."""

from __future__ import annotations

from pathlib import Path

import ipywidgets
from PIL import Image, ImageOps

from course_lib.cards import Html, open_picture
from course_lib.tile_view import candidates_html, tiling_html
from course_lib.widgets_base import FULL_LABEL, Interactive, row, status_html
from course_lib.widgets_drop import PictureDrop

MOST_SIDE = 4096  # pixels of a shape to try: larger ones make the sliders slow and show nothing new
AS_IT_IS, CROP, STRETCH = "as it is", "cropped to", "stretched to"


class TilingExplorer(Interactive):
    """The picture, cut as the model would cut it; `image` is the picture given or dropped, `shown` what is tiled."""

    def __init__(self, image: Image.Image | Path | str, *, max_tiles: int = 12, thumbnail: bool = True, **tiling):
        self.image, self._tiling = open_picture(image), tiling
        self.slider = ipywidgets.IntSlider(
            value=max_tiles, min=tiling.get("min_tiles", 1), max=max(12, max_tiles), description="max tiles",
            tooltip="the most tiles that the grid may have", style=FULL_LABEL,
        )
        self.thumbnail = ipywidgets.Checkbox(
            value=thumbnail, description="thumbnail", indent=False, layout=ipywidgets.Layout(width="auto"),
            tooltip="add the whole picture as one more tile where there are several",
        )
        self.drop = PictureDrop("your picture", self._take)
        self.shape = ipywidgets.Dropdown(
            options=(AS_IT_IS, CROP, STRETCH), description="what if the picture were",
            tooltip="try other shapes of the same picture", style=FULL_LABEL,
            layout=ipywidgets.Layout(width="19em"),
        )
        self.width, self.height = (
            ipywidgets.BoundedIntText(
                value=side, min=1, max=MOST_SIDE, description=name, tooltip=f"{name} to try, in pixels", disabled=True,
                style=FULL_LABEL, layout=ipywidgets.Layout(width="10em"),
            )
            for name, side in zip(("width", "height"), self.image.size)
        )  # fmt: skip
        self._view, self._status = ipywidgets.HTML(), ipywidgets.HTML()
        for control in (self.slider, self.thumbnail, self.shape):
            control.observe(lambda _: self._show(), names="value")
        for control in (self.width, self.height):
            control.observe(lambda _: None if self.shape.value == AS_IT_IS else self._show(), names="value")
        self.box = ipywidgets.VBox([
            row(self.slider, self.thumbnail), self.drop, row(self.shape, self.width, self.height),
            self._view, self._status,
        ]).add_class("course-tiling-explorer")  # fmt: skip
        self._show()

    @property
    def shown(self) -> Image.Image:
        """The picture in the shape to try."""
        size = (self.width.value, self.height.value)
        if self.shape.value == CROP:
            return ImageOps.fit(self.image, size, Image.Resampling.BICUBIC)
        if self.shape.value == STRETCH:
            return self.image.resize(size, Image.Resampling.BICUBIC)
        return self.image

    @property
    def static(self) -> Html:
        picture, most = self.shown, self.slider.value
        tiles = tiling_html(picture, max_tiles=most, thumbnail=self.thumbnail.value, **self._tiling)
        search = {name: self._tiling[name] for name in ("min_tiles", "tile_size") if name in self._tiling}
        why = candidates_html(*picture.size, max_tiles=most, **search)
        return Html(
            f'{tiles.html}<div style="margin-top:8px">{why.html}</div>', f"{tiles.text}\n{why.text}"
        )

    def _show(self) -> None:
        self.width.disabled = self.height.disabled = self.shape.value == AS_IT_IS
        shown = self.static
        self._view.value = shown.html
        self._status.value = status_html(shown.text.splitlines()[0], unseen=True)

    def _take(self, picture: Image.Image) -> None:
        self.image = picture
        self.shape.value = AS_IT_IS  # the shape to try starts from the new picture's own
        self.width.value, self.height.value = (min(side, MOST_SIDE) for side in self.image.size)
        self._show()


def tiling_explorer(
    image: Image.Image | Path | str, *, max_tiles: int = 12, thumbnail: bool = True, **tiling
) -> TilingExplorer:
    """Explore how a picture is tiled; `tiling` are `tiling_html`'s settings (min_tiles, tile_size, tokens_per_tile)."""
    return TilingExplorer(image, max_tiles=max_tiles, thumbnail=thumbnail, **tiling)
