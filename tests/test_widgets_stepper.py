"""Pixel shuffle step by step: what is shown is what the real function does."""

import pytest
import torch
from PIL import Image

from course_lib.figures import BLUE, GREEN, ORANGE, PINK, tint
from course_lib.figures_pixel_shuffle import BLOCKS, SHADES
from course_lib.patch_view import RIGHT, WRONG, numbered, pictured, readable_on
from course_lib.pixel_shuffle import space_to_depth
from course_lib.widgets_stepper import space_to_depth_stepper


def test_tokens_hold_what_space_to_depth_and_a_reshape_give():
    parts = numbered(4, 2)
    assert torch.equal(parts.tokens[RIGHT].reshape(1, 2, 2, 8), space_to_depth(parts.patches[None]))
    assert torch.equal(parts.tokens[WRONG].reshape(1, 2, 2, 8), parts.patches.reshape(1, 2, 2, 8))
    assert parts.origins[RIGHT][0] == [0, 1, 4, 5] and parts.origins[WRONG][0] == [0, 1, 2, 3]


def test_buttons_walk_through_all_steps_and_stay_at_the_ends():
    stepper = space_to_depth_stepper()
    stepper.back.click()
    assert stepper.slider.value == 0 and "Start" in stepper._view.value
    stepper.next.click()
    assert "its channels are a0 a1 b0 b1 e0 e1 f0 f1." in stepper._view.value
    assert "reshape would take a0 a1 b0 b1 c0 c1 d0 d1." in stepper._view.value
    assert stepper._view.value.count("outline:3px") == 4
    for _ in range(9):
        stepper.next.click()
    assert stepper.slider.value == 5 and "2 x 2 x 8" in stepper._view.value
    assert 'role="status"' in stepper._status.value and "Step 5 of 5" in stepper._status.value


def test_static_form_has_every_step():
    text = space_to_depth_stepper(channels=1).static.text
    assert [f"Token {number} of 4" in text for number in range(1, 5)] == [True] * 4
    assert "its channels are a b e f." in text and "4 x 4 x 1 became 2 x 2 x 4" in text


def test_pictures_patches_move_into_one_token_in_order():
    tile = Image.linear_gradient("L").resize((144, 144))
    parts = pictured(tile)
    assert torch.equal(parts.tokens[RIGHT].reshape(1, 4, 4, -1), space_to_depth(parts.patches[None]))
    stepper = space_to_depth_stepper(tile)
    stepper.mode.value = "picture"
    assert stepper.slider.max == 17 and stepper.slider.value == 0
    stepper.slider.value = 16
    assert "Token 16 of 16" in stepper._view.value and stepper._view.value.count("<img ") == 3
    stepper.mode.value = "numbers"
    assert stepper.slider.max == 5 and "4 x 4 x 2" in stepper._view.value


def test_grids_that_cannot_be_packed_or_named_are_refused():
    with pytest.raises(ValueError, match="must divide by the factor"):
        space_to_depth_stepper(grid=3)
    with pytest.raises(ValueError, match="too many to name"):
        space_to_depth_stepper(grid=6)


def test_labels_stand_out_from_every_colour():
    def luminance(colour):
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in (tint(block, shade) for block in BLOCKS for shade in SHADES):
        text = {"#000": 0.0, "#fff": 1.0}[readable_on(colour)]
        low, high = sorted((text, luminance(colour)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour
    assert len({BLUE, ORANGE, GREEN, PINK} & set(BLOCKS[:4])) == 4  # the four blocks of a 4 x 4 grid differ
