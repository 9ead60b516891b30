"""lmdeploy in this process: its settings here, its answers where there is a GPU."""

from __future__ import annotations

import asyncio

import pytest
from course_lib.lmdeploy_engine import LMDeployEngine, _text
from course_lib.lmdeploy_messages import engine_settings
from course_lib.sampling import Sampling
from lmdeploy_same import GPU, MINI, NO_GPU, check_same_answers, used_memory

pytestmark = pytest.mark.filterwarnings("ignore")


@NO_GPU
def test_without_a_gpu_it_says_what_to_do():
    with pytest.raises(RuntimeError, match="needs an NVIDIA GPU.*engine='transformers'"):
        LMDeployEngine(MINI)


def effective(sampling: Sampling):
    """The settings as lmdeploy's engine gets them."""
    from lmdeploy import GenerationConfig
    from lmdeploy.serve.core import AsyncEngine
    from lmdeploy.tokenizer import Tokenizer
    from lmdeploy.utils import get_hf_gen_cfg

    engine = AsyncEngine.__new__(AsyncEngine)  # without weights: only what it makes of settings
    engine.tokenizer, engine.hf_gen_cfg, engine.stop_words = Tokenizer(str(MINI)), get_hf_gen_cfg(str(MINI)), None
    return engine._determine_gen_config([1], GenerationConfig(**engine_settings(sampling)))


def test_temperature_0_is_greedy():
    greedy = effective(Sampling(max_new_tokens=9, top_k=5, top_p=0.3))
    assert (greedy.top_k, greedy.temperature, greedy.repetition_penalty, greedy.max_new_tokens) == (1, 1.0, 1.0, 9)


def test_a_draw_has_our_settings_and_none_of_lmdeploys():
    drawn = effective(Sampling(temperature=0.7, top_p=0.9, seed=3))
    assert (drawn.temperature, drawn.top_p, drawn.top_k, drawn.random_seed) == (0.7, 0.9, 0, 3)  # not its top_k of 50
    assert drawn.min_p == 0 and drawn.repetition_penalty == 1 and drawn.skip_special_tokens
    unseeded = {effective(Sampling(temperature=0.7)).random_seed for _ in range(3)}
    assert len(unseeded) == 3


def test_a_temperature_beyond_lmdeploys_is_refused_by_name():
    with pytest.raises(ValueError, match="temperature of at most 2, got 3"):
        engine_settings(Sampling(temperature=3))


@pytest.mark.parametrize(
    ("code", "kind"), [("context_length_exceeded", ValueError), ("internal_error", RuntimeError)]
)
def test_an_error_of_lmdeploy_is_no_answer(code, kind):
    from lmdeploy.messages import Response

    failed = Response("", 0, 3, finish_reason="error", error_code=code, error_message="Something happened.")
    with pytest.raises(kind, match="lmdeploy did not answer: Something happened."):
        _text(failed)


@GPU
@pytest.mark.parametrize("backend", ["pytorch", "auto"])
def test_on_a_gpu_it_answers_as_transformers_does(backend):
    with LMDeployEngine(MINI, backend=backend, cache_fraction=0.05, session_len=2048) as engine:
        check_same_answers(engine)
        with pytest.raises(ValueError, match="lmdeploy did not answer"):
            engine.answer("x " * 5000)


@GPU
def test_on_a_gpu_it_works_where_an_event_loop_runs_as_in_a_notebook():
    async def cell():
        with LMDeployEngine(MINI, backend="pytorch", cache_fraction=0.05) as engine:
            assert engine.answer("Hello") and "".join(engine.stream("Hello")) == engine.answer("Hello")

    asyncio.run(cell())


@GPU
def test_on_a_gpu_a_stream_that_is_left_early_does_not_block_the_next():
    with LMDeployEngine(MINI, backend="pytorch", cache_fraction=0.05) as engine:
        whole = engine.answer("Hello")
        stream = engine.stream("Hello")
        assert whole.startswith(next(stream))
        stream.close()
        assert engine.answer("Hello") == whole


@GPU
def test_on_a_gpu_closing_gives_the_cache_back():
    LMDeployEngine(MINI, backend="pytorch", cache_fraction=0.05).close()  # CUDA's own memory is taken now
    before = used_memory()
    engine = LMDeployEngine(MINI, backend="pytorch", cache_fraction=0.05)
    held = used_memory() - before
    engine.close()
    engine.close()  # a second time does nothing
    assert held > 1e9 and used_memory() - before < 0.1 * held


@GPU
def test_on_a_gpu_too_little_memory_names_cache_fraction():
    import torch

    free, _ = torch.cuda.mem_get_info()
    blocker = torch.empty(int(free - 300e6), dtype=torch.uint8, device="cuda")
    with pytest.raises(RuntimeError, match="lower cache_fraction.*It was cache_fraction=0.001"):
        LMDeployEngine(MINI, backend="pytorch", cache_fraction=0.001)
    del blocker
