"""Answers from lmdeploy in this process, on a GPU. lmdeploy_server.py has the same in a process of its own."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from course_lib.engine import Engine
from course_lib.lmdeploy_folder import choose_backend, link_checkpoint, memory_advice, require_gpu
from course_lib.lmdeploy_messages import engine_settings, finished_text, text_stream, to_lmdeploy

if TYPE_CHECKING:
    from lmdeploy.messages import Response

    from course_lib.engine import Messages, Picture
    from course_lib.kv_cache import KeptCache
    from course_lib.sampling import Sampling


class LMDeployEngine(Engine):
    """lmdeploy's pipeline with the checkpoint in `folder`. RuntimeError without a GPU, or with too little memory.

    `cache_fraction` of the GPU memory that is free once the weights are in goes to keys and values, at once. `close`
    gives back weights and cache; CUDA's own few hundred megabytes stay until this process (the kernel) ends.
    """

    name: ClassVar[str] = "lmdeploy"

    def __init__(
        self,
        folder: str | Path,
        *,
        backend: str = "auto",
        cache_fraction: float = 0.4,
        session_len: int | None = None,
    ):
        require_gpu()
        check_fraction(cache_fraction)
        self.backend = choose_backend(folder, backend)
        self._place = tempfile.TemporaryDirectory(prefix="course-lmdeploy-")
        try:
            self._stops = link_checkpoint(folder, Path(self._place.name)).stop_token_ids
            self._pipeline = self._open(cache_fraction, session_len)
        except BaseException as error:
            self._place.cleanup()
            _free()
            if advice := memory_advice(f"{type(error).__name__}: {error}"):
                said = f"It was cache_fraction={cache_fraction}. lmdeploy said: {error}"
                raise RuntimeError(f"{advice} {said}") from error
            raise

    def stream_messages(
        self,
        messages: Messages,
        images: Sequence[Picture],
        sampling: Sampling,
        *,
        system: str | None = None,
        max_tiles: int | None = None,
        kept: KeptCache | None = None,
    ) -> Iterator[str]:
        """As `Engine.stream_messages`; `kept` is of no use here: lmdeploy reads the conversation again."""
        converted = to_lmdeploy(messages, images, system=system, max_tiles=max_tiles)
        return text_stream(self._pieces(converted, self._settings(sampling)), sampling.stop)

    def answer_conversations(
        self,
        conversations: Sequence[tuple[Messages, Sequence[Picture]]],
        sampling: Sampling,
        *,
        max_tiles: int | None = None,
    ) -> list[str]:
        """As `Engine.answer_conversations`; lmdeploy batches as it sees fit."""
        responses = self._responses(conversations, sampling, max_tiles)
        return [finished_text(_text(response), sampling.stop) for response in responses]

    def answer_ids(
        self,
        conversations: Sequence[tuple[Messages, Sequence[Picture]]],
        sampling: Sampling,
        *,
        max_tiles: int | None = None,
    ) -> list[list[int]]:
        """The answers' token ids without a stop token, to hold them against another engine's (agreement.py)."""
        responses = self._responses(conversations, sampling, max_tiles)
        return [[token for token in response.token_ids if token not in self._stops] for response in responses]

    def _responses(
        self, conversations: Sequence[tuple[Messages, Sequence[Picture]]], sampling: Sampling, max_tiles: int | None
    ) -> list[Response]:
        prompts = [to_lmdeploy(messages, images, max_tiles=max_tiles) for messages, images in conversations]
        return self._pipeline.infer(prompts, gen_config=self._settings(sampling)) if prompts else []

    def close(self) -> None:
        """Stop lmdeploy and give its GPU memory back. Does nothing the second time."""
        if self._pipeline is None:
            return
        self._pipeline.close()
        self._pipeline = None
        self._place.cleanup()
        _free()

    def _open(self, cache_fraction: float, session_len: int | None) -> Any:
        from lmdeploy import ChatTemplateConfig, PytorchEngineConfig, TurbomindEngineConfig, pipeline
        from lmdeploy.pytorch import envs

        from course_lib.lmdeploy_config import register

        # It would check torch and the model in a new process, which in a script starts that script again.
        envs.enable_check_env = False
        if self.backend == "pytorch":
            register()
        shared = {"cache_max_entry_count": cache_fraction, "session_len": session_len, "enable_metrics": False}
        config = (TurbomindEngineConfig if self.backend == "turbomind" else PytorchEngineConfig)(**shared)
        return pipeline(
            self._place.name,
            backend_config=config,
            chat_template_config=ChatTemplateConfig("hf", model_path=self._place.name),
        )

    def _settings(self, sampling: Sampling) -> Any:
        from lmdeploy import GenerationConfig

        return GenerationConfig(**engine_settings(sampling))

    def _pieces(self, messages: list[dict[str, Any]], settings: Any) -> Iterator[str]:
        # lmdeploy's event loop runs in a thread of its own: the loop that a notebook's kernel runs does not disturb it.
        session = self._pipeline.session()
        stream = self._pipeline.stream_infer(messages, sessions=session, gen_config=settings)
        finished = False
        try:
            for response in stream:
                yield _text(response)
            finished = True
        finally:
            if not finished:  # whoever listens has gone: the GPU need not go on
                self._pipeline._run(coro=session.async_abort()).result()


def check_fraction(cache_fraction: float) -> None:
    """Raises ValueError unless it is a part of something."""
    if not 0 < cache_fraction < 1:
        raise ValueError(f"cache_fraction must lie between 0 and 1, got {cache_fraction}")


def _text(response: Response) -> str:
    if response.finish_reason == "error":
        kind = ValueError if response.error_code in ("invalid_request", "context_length_exceeded") else RuntimeError
        raise kind(f"lmdeploy did not answer: {response.error_message} {memory_advice(response.error_message)}".strip())
    return response.text


def _free() -> None:
    import torch

    gc.collect()
    torch.cuda.empty_cache()
