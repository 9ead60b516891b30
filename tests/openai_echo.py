"""A small server on this machine that speaks OpenAI's protocol: it keeps what it was asked, and answers by a rule."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Echo:
    """`bodies` holds the requests; `rule` makes the answer from one."""

    def __init__(self, rule: Callable[[dict[str, Any]], str]):
        self.rule, self.bodies, self.url = rule, [], ""


@contextmanager
def openai_server(rule: Callable[[dict[str, Any]], str] = lambda body: "ok") -> Iterator[Echo]:
    echo = Echo(rule)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802, the base class wants this name
            self._send({"object": "list", "data": [{"id": "served", "object": "model", "created": 0, "owned_by": "x"}]})

        def do_POST(self) -> None:  # noqa: N802
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            echo.bodies.append(body)
            try:
                text = echo.rule(body)
            except ValueError as error:
                self._send({"error": {"message": str(error)}}, 400)
                return
            base = {"id": "1", "created": int(time.time()), "model": body["model"]}
            if not body.get("stream"):
                choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
                self._send({**base, "object": "chat.completion", "choices": [choice]})
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for letter in [*text, ""]:
                choice = {"index": 0, "delta": {"content": letter}, "finish_reason": None if letter else "stop"}
                chunk = {**base, "object": "chat.completion.chunk", "choices": [choice]}
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *_: Any) -> None:
            """Keep the test's output clean."""

        def _send(self, content: dict[str, Any], status: int = 200) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    echo.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield echo
    finally:
        server.shutdown()
        server.server_close()
