"""A server that speaks OpenAI's protocol, such as LMDeployServer, as an engine like the others."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from course_lib.engine import Engine
from course_lib.lmdeploy_messages import finished_text, request_settings, text_stream, to_lmdeploy

if TYPE_CHECKING:
    from openai import OpenAI

    from course_lib.engine import Messages, Picture
    from course_lib.kv_cache import KeptCache
    from course_lib.lmdeploy_server import LMDeployServer
    from course_lib.sampling import Sampling

AT_ONCE = 64  # requests; the server makes batches of them


def local_client(url: str) -> OpenAI:
    """OpenAI's client for a server on this machine: no key, and no proxy, whatever the environment says."""
    from openai import DefaultHttpxClient, OpenAI

    return OpenAI(base_url=url, api_key="none", http_client=DefaultHttpxClient(trust_env=False), max_retries=0)


class ServerEngine(Engine):
    """Answers from `server`: a started LMDeployServer, or the address of one (http://127.0.0.1:23333/v1).

    RuntimeError where it cannot be reached, ValueError for a request that it refuses.
    """

    name: ClassVar[str] = "lmdeploy server"

    def __init__(self, server: LMDeployServer | str, *, model_name: str | None = None, owns_server: bool = False):
        self.server = None if isinstance(server, str) else server
        self.url = server if isinstance(server, str) else server.url
        self._owns_server = owns_server
        self.client = local_client(self.url)
        if model_name is None:
            with self._reached():
                model_name = self.server.model_name if self.server else self.client.models.list().data[0].id
        self.model_name = model_name

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
        """As `Engine.stream_messages`; `kept` is of no use here: the server reads the conversation again."""
        request = self.request(messages, images, sampling, system=system, max_tiles=max_tiles)
        return text_stream(self._pieces(request), sampling.stop)

    def answer_conversations(
        self,
        conversations: Sequence[tuple[Messages, Sequence[Picture]]],
        sampling: Sampling,
        *,
        max_tiles: int | None = None,
    ) -> list[str]:
        """As `Engine.answer_conversations`: several requests at once, of which the server makes batches."""

        def ask(conversation: tuple[Messages, Sequence[Picture]]) -> str:
            request = self.request(*conversation, sampling, max_tiles=max_tiles)  # writes PNGs: in threads, too
            return finished_text(self._text(request), sampling.stop)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(ask, conversations))

    def request(
        self,
        messages: Messages,
        images: Sequence[Picture],
        sampling: Sampling,
        *,
        system: str | None = None,
        max_tiles: int | None = None,
    ) -> dict[str, Any]:
        """The arguments of `client.chat.completions.create` for a conversation. Raises ValueError."""
        converted = to_lmdeploy(messages, images, system=system, max_tiles=max_tiles, urls=True)
        return {"model": self.model_name, "messages": converted, **request_settings(sampling)}

    def close(self) -> None:
        """Close the connection, and stop the server if `serve` started it for this engine."""
        self.client.close()
        if self._owns_server:
            self.server.stop()

    def _text(self, request: dict[str, Any]) -> str:
        with self._reached():
            return self.client.chat.completions.create(**request).choices[0].message.content or ""

    def _pieces(self, request: dict[str, Any]) -> Generator[str]:
        with self._reached(), self.client.chat.completions.create(**request, stream=True) as chunks:
            for chunk in chunks:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """The client's errors in this kit's words."""
        from openai import APIConnectionError, BadRequestError

        try:
            yield
        except APIConnectionError as error:
            log = f" Its log is {self.server.log}." if self.server else ""
            raise RuntimeError(f"no answer from {self.url}: the server has ended, or was not started.{log}") from error
        except BadRequestError as error:
            raise ValueError(f"lmdeploy refused the request: {error.message}") from error
