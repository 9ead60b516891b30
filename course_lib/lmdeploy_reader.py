"""What lmdeploy makes of a conversation before its engine runs: token ids and pixels. It needs no GPU."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.lmdeploy_messages import to_lmdeploy

if TYPE_CHECKING:
    import torch

    from course_lib.engine import Messages, Picture


class LMDeployReader:
    """lmdeploy's own chat template, tokenizer and picture processing on a checkpoint's folder, as its engine has them.

    `template` is the chat template's name: "hf" is the one that the checkpoint carries.
    """

    def __init__(self, folder: str | Path, *, backend: str = "turbomind", template: str = "hf"):
        import torch
        from lmdeploy import ChatTemplateConfig, PytorchEngineConfig
        from lmdeploy.archs import get_task
        from lmdeploy.serve.processors import MultimodalProcessor
        from lmdeploy.tokenizer import Tokenizer
        from lmdeploy.vl.engine import ImageEncoder

        folder = str(folder)
        task, _ = get_task(backend, folder)
        if task != "vlm":
            raise ValueError(f"{folder}: lmdeploy takes it for a model without pictures ({task})")
        # ImageEncoder asks a GPU about bfloat16. The pixels are wanted as they are before any cast, so in float32.
        self.encoder = ImageEncoder(folder, "pytorch", backend_config=PytorchEngineConfig(dtype="float16"))
        self.encoder.model.set_mm_feature_dtype(torch.float32)
        self.tokenizer = Tokenizer(folder)
        self.template = ChatTemplateConfig(template, model_path=folder).chat_template()
        self.processor = MultimodalProcessor(self.tokenizer, self.template, vl_encoder=self.encoder, backend=backend)

    def read(
        self, messages: Messages, images: Sequence[Picture] = (), **options: Any
    ) -> tuple[list[int], torch.Tensor | None]:
        """Token ids, and pixels `[tiles, 3, S, S]` if there are pictures; options as `to_lmdeploy` takes them."""
        return self.read_request(to_lmdeploy(messages, images, **options))

    def read_request(self, messages: list[dict[str, Any]], **options: Any) -> tuple[list[int], torch.Tensor | None]:
        """The same for messages in OpenAI's form."""
        import torch

        async def read() -> dict[str, Any]:
            return await self.processor.get_prompt_input(messages, do_preprocess=True, **options)

        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has an event loop running already
            made = thread.submit(asyncio.run, read()).result()
        pictures = made.get("multimodal") or []
        pixels = torch.cat([picture["pixel_values"] for picture in pictures]) if pictures else None
        return made["input_ids"], pixels
