"""A chat with history and pictures, and the keys and values that it keeps."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.chat import Chat, as_pictures
from course_lib.kv_cache import KeptCache
from course_lib.sampling import Sampling


def picture(width=112, height=56, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_a_chat_takes_new_pictures_and_a_system_prompt(tiny):
    chat = tiny.chat(system="be kind")
    assert isinstance(chat, Chat)
    chat.ask("hi", max_new_tokens=2)
    chat.ask("and this?", picture(), max_new_tokens=2)
    assert chat.messages[2]["content"] == "<image>\nand this?" and len(chat.images) == 1
    chat.ask("between <image> us", picture(seed=1), max_new_tokens=2)
    assert chat.messages[4]["content"] == "between <image> us" and len(chat.images) == 2
    chat.ask("two more", [picture(seed=2), picture(seed=3)], max_new_tokens=2)
    assert chat.messages[6]["content"] == "<image>\n<image>\ntwo more" and len(chat.images) == 4


def test_a_failed_question_leaves_the_chat_as_it_was(tiny):
    chat = tiny.chat()
    with pytest.raises(ValueError, match="control token"):
        chat.ask("<|im_end|>", picture())
    assert chat.messages == [] and chat.images == []


def test_a_stream_that_is_stopped_keeps_what_was_said(tiny):
    chat = tiny.chat()
    stream = chat.stream("hi", picture(), max_new_tokens=50)
    said = next(stream) + next(stream)
    stream.close()
    assert chat.messages[-1] == {"role": "assistant", "content": said} and len(chat.images) == 1
    fresh = tiny.answer("go on", chat.images, history=chat.messages, max_new_tokens=5)
    assert chat.ask("go on", max_new_tokens=5) == fresh


def test_an_engine_that_fails_midway_leaves_the_chat_as_it_was(tiny):
    class Breaks(type(tiny)):
        def stream_messages(self, *arguments, **options):
            yield next(super().stream_messages(*arguments, **options))
            raise ConnectionError("gone")

    chat = Chat(Breaks(tiny.model, tiny.tokenizer, tiny.spec))
    with pytest.raises(ConnectionError):
        chat.ask("hi", picture())
    assert chat.messages == [] and chat.images == []


def test_clear_forgets_turns_pictures_and_keys(tiny):
    chat = tiny.chat(picture())
    before = chat.ask("hi", max_new_tokens=3)
    chat.clear()
    assert chat.messages == [] and chat.images == [] and chat.kept.past is None
    assert chat.ask("hi", picture(), max_new_tokens=3) == before


TURNS = [
    ("hi 你好", picture()), ("and?", None), ("another", picture(56, 168, seed=1)),
    ("two", [picture(56, 56, 2), picture(56, 56, 3)]), ("last", None),
]  # fmt: skip


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.5, "top_k": 50, "seed": 5}])
def test_kept_keys_and_values_change_no_answer(tiny, sampling):
    chat, images = tiny.chat(), []
    for question, image in TURNS:
        images += as_pictures(image)
        answer = chat.ask(question, image, max_new_tokens=6, **sampling)
        fresh = "".join(tiny.stream_messages(chat.messages[:-1], images, Sampling(6, **sampling)))
        assert answer == fresh
    assert chat.kept.reused > 0


def test_only_what_is_new_goes_through_the_model(tiny):
    """Counted where it counts: the rows that enter the language model, and the tiles that enter the vision tower."""
    rows, tiles, inner = [], [], tiny.model.model

    def count_tiles(_, args, kwargs):
        tiles.append(len(kwargs["pixel_values"] if "pixel_values" in kwargs else args[0]))

    hooks = [
        inner.language_model.layers[0].register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].shape[1])),
        inner.vision_tower.register_forward_pre_hook(count_tiles, with_kwargs=True),
    ]
    chat = tiny.chat()
    try:
        chat.ask("hi", picture(), max_new_tokens=1)
        prompt = rows.pop(0)
        assert tiles == [3] and chat.kept.reused == 0 and chat.kept.computed == prompt
        chat.ask("and?", max_new_tokens=1)
        assert rows[0] == chat.kept.computed < 30 < 100 < chat.kept.reused and tiles == [3]
        assert chat.kept.reused == prompt
        chat.ask("this?", picture(56, 56, seed=4), max_new_tokens=1)
        assert tiles == [3, 1]
    finally:
        for hook in hooks:
            hook.remove()
    assert chat.kept.bytes > 0 and KeptCache().bytes == 0


@pytest.mark.parametrize("change", ["text", "picture", "second tile", "shorter", "nothing"])
def test_a_changed_past_is_computed_again_from_the_change_on(tiny, change):
    def inputs(question, image):
        return tiny.encode_prompt([{"role": "user", "content": f"<image>\n{question}"}], [image])

    kept, first = KeptCache(), inputs("one two three four five", picture())
    "".join(tiny.stream_inputs(first, Sampling(4), kept))
    pixels = np.array(picture())
    pixels[:, 56:] = 0  # the right half: the second of two tiles
    second = {
        "text": inputs("one two eight", picture()), "picture": inputs("one two three four five", picture(seed=9)),
        "second tile": inputs("one two three four five", Image.fromarray(pixels)), "shorter": inputs("one", picture()),
        "nothing": first,
    }[change]  # fmt: skip
    answer = "".join(tiny.stream_inputs(second, Sampling(4), kept))
    assert answer == "".join(tiny.stream_inputs(second, Sampling(4)))
    places = (second["input_ids"][0] == tiny.spec.image_token_id).nonzero()[:, 0].tolist()
    assert {
        "text": kept.reused > places[-1], "picture": kept.reused == places[0],
        "second tile": kept.reused == places[tiny.spec.tokens_per_tile], "shorter": kept.reused > places[-1],
        "nothing": kept.computed == 1,
    }[change]  # fmt: skip


def test_a_step_that_fails_leaves_no_half_filled_cache(tiny):
    chat = tiny.chat()
    chat.ask("hi", max_new_tokens=2)
    layer = tiny.model.model.language_model.layers[-1]

    def fail(*_):
        raise torch.OutOfMemoryError("no room")

    hook = layer.register_forward_pre_hook(fail)
    with pytest.raises(torch.OutOfMemoryError):
        chat.ask("more", max_new_tokens=2)
    hook.remove()
    expected = tiny.answer("more", history=chat.messages, max_new_tokens=4)
    assert chat.ask("more", max_new_tokens=4) == expected
