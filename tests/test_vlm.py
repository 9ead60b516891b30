import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.checkpoint import load_checkpoint
from course_lib.kv_cache import KeptCache
from course_lib.sampling import Sampling
from course_lib.vlm import VLM


def picture(width: int = 112, height: int = 56, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def official(golden):
    return load_checkpoint(golden / "internvl_tiny", device="cpu")


@pytest.fixture(scope="module")
def expected(golden):
    return json.loads((golden / "internvl_tiny" / "expected.json").read_text())


def test_the_whole_official_chat_from_picture_to_answer(golden, official, expected):
    image, history = golden / "internvl_tiny" / "image.png", []
    for turn in expected["turns"]:
        messages = [*history, {"role": "user", "content": turn["question"]}]
        inputs = official.encode_prompt(messages, [image])
        assert inputs["input_ids"][0].tolist() == turn["input_ids"]
        assert len(inputs["pixel_values"]) == expected["tiles"]
        generated = official.model.generate(**inputs, max_new_tokens=12, do_sample=False)
        assert generated[0, inputs["input_ids"].shape[1] :].tolist() == turn["greedy_ids"]
        assert official.answer(turn["question"], image, history=history, max_new_tokens=12) == turn["answer"]
        history = [*messages, {"role": "assistant", "content": turn["answer_in_history"]}]


def test_a_chat_remembers_its_turns_and_its_picture(golden, official, expected):
    chat = official.chat(golden / "internvl_tiny" / "image.png")
    for turn in expected["turns"]:
        assert chat.ask(turn["question"], max_new_tokens=12) == turn["answer"]
    assert [message["role"] for message in chat.messages] == ["user", "assistant"] * 2
    assert chat.messages[0]["content"] == "<image>\n" + expected["turns"][0]["question"]


def test_visual_tokens_by_tile(tiny):
    tokens = tiny.visual_tokens(tiny.pixel_values(picture()))
    assert tokens.shape == (3, tiny.spec.tokens_per_tile, tiny.model.config.text_config.hidden_size)


def test_tiles_and_pixel_values_follow_the_spec(tiny):
    assert [tile.size for tile in tiny.tiles(picture())] == [(56, 56)] * 3
    assert len(tiny.tiles(picture(), max_tiles=1)) == 1
    values = tiny.pixel_values(picture())
    assert values.shape == (3, 3, 56, 56) and values.dtype == torch.float32 and values.device.type == "cpu"


def test_a_batch_answers_as_one_by_one(tiny):
    questions = ["hi", "what is there? 图里有什么", "x", "a longer question than the others, so that they are padded"]
    images = [picture(), None, picture(56, 168, seed=1), picture(56, 56, seed=2)]
    alone = [tiny.answer(q, image, max_new_tokens=8) for q, image in zip(questions, images, strict=True)]
    assert tiny.answer_batch(questions, images, max_new_tokens=8, progress=False) == alone
    assert tiny.answer_batch(questions, images, max_new_tokens=8, batch_size=3, progress=False) == alone
    assert len(set(alone)) > 1 and all(alone)


def test_a_batch_wants_a_picture_or_none_for_each_question(tiny):
    with pytest.raises(ValueError, match="2 questions for 1 pictures"):
        tiny.answer_batch(["a", "b"], [None])
    assert tiny.answer_batch([], []) == []


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.5, "seed": 3}])
def test_the_stream_adds_up_to_the_answer(tiny, sampling):
    pieces = list(tiny.stream("hi", picture(), max_new_tokens=12, **sampling))
    assert len(pieces) > 1 and all(pieces)
    assert "".join(pieces) == tiny.answer("hi", picture(), max_new_tokens=12, **sampling)


def test_a_stream_can_be_left_early(tiny):
    assert next(tiny.stream("hi", max_new_tokens=1000))


def test_a_seed_repeats_a_draw_and_leaves_the_global_generator_alone(tiny):
    def ask(seed):
        return tiny.answer("hi", max_new_tokens=12, temperature=2.0, seed=seed)

    state = torch.get_rng_state()
    assert ask(1) == ask(1) != ask(2)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_answer_ends_at_the_stop_tokens(tiny):
    names = tiny.tokenizer.convert_ids_to_tokens(list(tiny.spec.stop_token_ids))
    assert sorted(names) == ["</s>", "<|im_end|>"]
    inputs = tiny.encode_prompt([{"role": "user", "content": "hi"}])
    drawn = list(tiny._new_tokens(inputs, Sampling(12, temperature=3.0, seed=0), KeptCache()))
    shorter = VLM(tiny.model, tiny.tokenizer, replace(tiny.spec, stop_token_ids=(0, drawn[-1])))
    expected = tiny.tokenizer.decode(drawn[: drawn.index(drawn[-1])], skip_special_tokens=True).strip()
    assert shorter.answer("hi", max_new_tokens=12, temperature=3.0, seed=0) == expected
    (first,) = tiny._new_tokens(inputs, Sampling(1), KeptCache())
    silent = VLM(tiny.model, tiny.tokenizer, replace(tiny.spec, stop_token_ids=(0, first)))
    assert silent.answer_batch(["hi"], [None], max_new_tokens=5, progress=False) == [""]


def test_the_next_token_distribution_is_one_and_leads_where_greedy_goes(tiny):
    probabilities = tiny.next_token_distribution("hi", picture())
    assert probabilities.shape == (tiny.model.config.text_config.vocab_size,)
    torch.testing.assert_close(probabilities.sum(), torch.tensor(1.0))
    first = tiny.tokenizer.decode([int(probabilities.argmax())]).strip()
    assert tiny.answer("hi", picture(), max_new_tokens=1) == first
    assert (tiny.next_token_distribution("hi", picture(), top_k=3) > 0).sum() == 3
    after = tiny.next_token_distribution("hi", picture(), answer_so_far=first)
    assert not torch.equal(after, probabilities)


def test_history_carries_the_picture_to_its_first_message(tiny):
    history = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    marked = [{"role": "user", "content": "<image>\nQ"}, history[1]]
    question = [{"role": "user", "content": "R"}]
    plain, explicit = (tiny.encode_prompt([*turns, *question], [picture()]) for turns in (history, marked))
    assert torch.equal(plain["input_ids"], explicit["input_ids"])
    elsewhere = tiny.encode_prompt([*history, {"role": "user", "content": "R <image>"}], [picture()])
    assert not torch.equal(plain["input_ids"], elsewhere["input_ids"])


def test_text_alone_needs_no_pixels(tiny):
    assert set(tiny.encode_prompt([{"role": "user", "content": "Q"}])) == {"input_ids", "attention_mask"}


def test_an_unreadable_picture_is_named(tiny, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    for file in (tmp_path / "broken.png", tmp_path / "absent.png"):
        with pytest.raises(ValueError, match=f"{file.name} cannot be read"):
            tiny.answer("hi", file)


def test_answering_leaves_training_mode_as_it_was(tiny_folder):
    vlm = load_checkpoint(tiny_folder, device="cpu")
    vlm.model.train()
    vlm.answer("hi", max_new_tokens=2)
    assert vlm.model.training and vlm.model.model.vision_tower.training
