import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.engine import Engine
from course_lib.engines import ENGINES, open_engine
from course_lib.settings import pick_device


def test_the_engine_on_transformers_answers_as_the_model_does(tiny, tiny_folder):
    with open_engine(tiny_folder, "transformers", device="cpu") as engine:
        assert isinstance(engine, Engine) and engine.name == "transformers"
        assert engine.answer("hi", max_new_tokens=5) == tiny.answer("hi", max_new_tokens=5)
    assert engine.model is None


@pytest.mark.skipif(pick_device()[0].type == "cuda", reason="what happens without a GPU")
def test_without_a_gpu_auto_is_transformers_and_lmdeploy_says_what_to_use(tiny_folder):
    with open_engine(tiny_folder) as engine:
        assert engine.name == "transformers"
    for name in ("lmdeploy", "lmdeploy-server"):
        with pytest.raises(RuntimeError, match="GPU.*transformers"):
            open_engine(tiny_folder, name)


def test_an_unknown_engine_is_refused_with_the_names_there_are(tiny_folder):
    with pytest.raises(ValueError, match="vllm") as error:
        open_engine(tiny_folder, "vllm")
    assert all(name in str(error.value) for name in ENGINES)


def test_a_batch_draws_stops_and_repeats_as_asked(tiny):
    questions = ["hi", "你好", "x"]

    def ask(**sampling):
        return tiny.answer_batch(questions, [None] * 3, max_new_tokens=12, progress=False, **sampling)

    assert ask(temperature=2.0, seed=1) == ask(temperature=2.0, seed=1) != ask(temperature=2.0, seed=2)
    assert ask(temperature=5.0, top_k=1, seed=1) == ask() == ask(temperature=5.0, top_p=1e-6, seed=3)
    whole = ask()
    end = whole[0][3:5]
    assert ask(stop=(end,))[0] == tiny.answer("hi", max_new_tokens=12, stop=(end,)) == whole[0].split(end)[0].rstrip()


def test_several_pictures_in_one_question_and_in_a_batch(tiny):
    noise = np.random.default_rng(0).integers(0, 256, (2, 56, 112, 3), dtype=np.uint8)
    two = [Image.fromarray(noise[0, :, :56]), Image.fromarray(noise[1])]
    (batched,) = tiny.answer_batch(["which?"], [two], max_new_tokens=6, progress=False)
    assert batched == tiny.answer("which?", two, max_new_tokens=6) == tiny.chat(two).ask("which?", max_new_tokens=6)
    seen = tiny.encode_prompt([{"role": "user", "content": "<image>\n<image>\nwhich?"}], two)["pixel_values"]
    assert torch.equal(seen, torch.cat([tiny.pixel_values(image) for image in two])) and len(seen) == 1 + 3
