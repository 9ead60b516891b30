"""The routed state is the language model's state at the routing token, and the linear decoder finds what is linear."""

import pytest
import torch

from course_lib import routing


def test_pictures_are_repeatable_and_show_something_at_their_place():
    picture, (x, y) = routing.picture_with_place(3)
    again, place = routing.picture_with_place(3)
    assert place == (x, y) and picture.tobytes() == again.tobytes()
    assert 0.2 <= x <= 0.8 and 0.2 <= y <= 0.8
    middle = picture.getpixel((round(x * 112), round(y * 112)))
    corner = picture.getpixel((0 if x > 0.5 else 111, 0 if y > 0.5 else 111))
    assert sum(abs(a - b) for a, b in zip(middle, corner, strict=True)) > 30


def test_the_state_is_that_of_the_last_prompt_token(tiny):
    pictures = [routing.picture_with_place(number)[0] for number in range(2)]
    states = routing.routed_states(tiny, pictures, "Where is it?", "<box>")
    turn = [{"role": "user", "content": "Where is it?"}]
    inputs = tiny.encode_prompt(turn, [pictures[1]], max_tiles=1, answer_so_far="<box>")
    assert tiny.tokenizer.convert_ids_to_tokens(int(inputs["input_ids"][0, -1])) == "<box>"
    with torch.no_grad():
        logits = tiny.model(**inputs).logits[0, -1]
        assert torch.allclose(tiny.model.lm_head(states[1]), logits, atol=1e-4)
    assert not torch.equal(states[0], states[1])


def test_the_decoder_finds_a_linear_place_and_nothing_in_noise():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(300, 16, generator=generator)
    places = states @ torch.randn(16, 2, generator=generator) + 0.5
    decoder = routing.fit_decoder(states[:200], places[:200])
    assert routing.explained(decoder(states[200:]), places[200:]) > 0.99
    noise = routing.fit_decoder(states[:200], places[:200].roll(1, 0))
    assert routing.explained(noise(states[200:]), places[200:]) < 0.1


def test_explained_is_1_for_the_truth_and_0_for_the_mean():
    places = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert routing.explained(places, places) == 1
    assert routing.explained(torch.full((4, 2), 0.5), places) == pytest.approx(0)
