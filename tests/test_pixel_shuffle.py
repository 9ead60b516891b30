import pytest
import torch
from torch import nn

from course_lib.pixel_shuffle import space_to_depth, space_to_depth_v1


def numbered(n: int, h: int, w: int, c: int) -> torch.Tensor:
    return torch.arange(n * h * w * c).reshape(n, h, w, c)


def test_a_block_of_four_becomes_one_token_in_reading_order():
    x = numbered(1, 4, 4, 1)
    assert space_to_depth(x)[0, 0, 0].tolist() == [0, 1, 4, 5]
    assert space_to_depth(x)[0, 0, 1].tolist() == [2, 3, 6, 7]
    assert space_to_depth(x)[0, 1, 0].tolist() == [8, 9, 12, 13]


@pytest.mark.parametrize(("shape", "factor"), [
    ((2, 32, 32, 3), 2), ((1, 4, 8, 5), 2), ((3, 9, 6, 2), 3), ((1, 2, 2, 1), 1),
])  # fmt: skip
def test_shapes_and_that_nothing_is_lost(shape, factor):
    x = numbered(*shape)
    n, h, w, c = shape
    y = space_to_depth(x, factor)
    assert y.shape == (n, h // factor, w // factor, c * factor * factor)
    assert torch.equal(y.flatten().sort().values, x.flatten())


def test_equals_transformers_own(tiny):
    x = torch.randn(2, 4, 4, 6)
    assert torch.equal(space_to_depth(x), tiny.model.model.pixel_shuffle(x, scale_factor=0.5))


def test_v1_leaves_the_picture_transposed():
    x = numbered(1, 4, 8, 3)
    assert space_to_depth_v1(x).shape == (1, 4, 2, 12)
    assert torch.equal(space_to_depth_v1(x), space_to_depth(x).transpose(1, 2))
    assert not torch.equal(space_to_depth_v1(numbered(1, 4, 4, 3)), space_to_depth(numbered(1, 4, 4, 3)))


def test_it_is_the_inverse_of_torchs_pixel_shuffle_up_to_channel_order():
    x = torch.randn(1, 4, 4, 3)
    y = space_to_depth(x)  # channels: (block row, block column, channel)
    torchs = y.unflatten(-1, (2, 2, 3)).permute(0, 5, 3, 4, 1, 2).flatten(1, 3)  # (channel, block row, block column)
    assert torch.equal(nn.PixelShuffle(2)(torchs).permute(0, 2, 3, 1), x)


def test_it_is_neither_a_reshape_nor_torchs_pixel_unshuffle():
    x = torch.randn(1, 4, 4, 3)
    y = space_to_depth(x)
    assert not torch.equal(y, x.reshape(1, 2, 2, 12))
    unshuffled = nn.PixelUnshuffle(2)(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert not torch.equal(y, unshuffled)
    assert torch.equal(y.sort(-1).values, unshuffled.sort(-1).values)  # the same numbers at each place, reordered


@pytest.mark.parametrize(("shape", "message"), [
    ((1, 33, 32, 1), "height .* 33 % 2 = 1"), ((1, 32, 31, 1), "width .* 31 % 2 = 1"),
])  # fmt: skip
def test_a_grid_that_does_not_divide_is_refused_with_the_remainder(shape, message):
    with pytest.raises(ValueError, match=message):
        space_to_depth(torch.zeros(shape))
