"""A picture that broke off is no picture."""

from __future__ import annotations

from PIL import ImageFile


def require_whole_files() -> None:
    """Pillow raises for picture files that broke off, even where another library has told it not to.

    lmdeploy does so for its whole process, as soon as it is imported: half a picture would be trained on in silence.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False
