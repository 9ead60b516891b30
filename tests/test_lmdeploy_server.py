"""The server's life (a real process, which ends early where there is no GPU), and the engine over OpenAI's protocol."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from course_lib import lmdeploy_server
from course_lib.lmdeploy_folder import memory_advice
from course_lib.lmdeploy_messages import request_settings, text_stream
from course_lib.lmdeploy_server import LMDeployServer, serve
from course_lib.ports import free_port, require_free
from course_lib.sampling import Sampling
from course_lib.server_engine import ServerEngine
from lmdeploy_same import GPU, NO_GPU, check_same_answers, used_memory
from openai_echo import openai_server
from PIL import Image

MINI = Path(__file__).resolve().parents[1] / "data" / "internvl-mini"


# The life of the process


@NO_GPU
def test_without_a_gpu_nothing_is_started(tmp_path):
    server = LMDeployServer(MINI, log=tmp_path / "log")
    with pytest.raises(RuntimeError, match="needs an NVIDIA GPU.*engine='transformers'"):
        server.start()
    assert server.pid is None and not (tmp_path / "log").exists()


@pytest.fixture
def any_machine(monkeypatch):
    """Let the server start here too, to see what becomes of it."""
    monkeypatch.setattr(lmdeploy_server, "require_gpu", lambda: None)


@NO_GPU
def test_a_real_server_that_ends_by_itself_is_explained_and_leaves_nothing(any_machine, tmp_path, monkeypatch):
    places = []
    monkeypatch.setattr(lmdeploy_server, "link_checkpoint", remember_place(places))
    server = LMDeployServer(MINI, backend="pytorch", log=tmp_path / "server.log", progress=False)
    with pytest.raises(RuntimeError, match=r"ended by itself \(exit status 1\)") as caught, server:
        pass
    assert str(tmp_path / "server.log") in str(caught.value) and "last lines" in str(caught.value)
    log = (tmp_path / "server.log").read_text()
    assert log.startswith(f"{sys.executable} -m course_lib.lmdeploy_main serve api_server ")
    assert "--chat-template hf" in log
    assert server.pid is None and not places[0].exists()


def remember_place(places):
    def link(folder, place):
        places.append(place)
        return original(folder, place)

    original = lmdeploy_server.link_checkpoint
    return link


# Stands for the server: it has a child that does not end when asked to, and never answers.
STUBBORN = """
import signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
child += "print('CUDA out of memory', flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
time.sleep(600)
"""


@pytest.fixture
def stubborn(any_machine, monkeypatch):
    monkeypatch.setattr(LMDeployServer, "command", lambda self: [sys.executable, "-c", STUBBORN])
    monkeypatch.setattr(lmdeploy_server, "PATIENCE", 1)


def group_of(leader: int) -> list[int]:
    return [process.pid for process in lmdeploy_server._group(leader)]


def test_a_server_that_takes_too_long_is_stopped_with_all_it_started(stubborn, tmp_path, monkeypatch):
    seen = []
    explain = LMDeployServer._explain

    def note(self, problem):
        seen.append((self.pid, group_of(self.pid)))
        return explain(self, problem)

    monkeypatch.setattr(LMDeployServer, "_explain", note)
    server = LMDeployServer(MINI, log=tmp_path / "log", timeout=3, progress=False, cache_fraction=0.3)
    with pytest.raises(RuntimeError, match="did not answer within 3 seconds") as caught:
        server.start()
    assert "lower cache_fraction" in str(caught.value) and "It was cache_fraction=0.3" in str(caught.value)
    (leader, members), = seen
    assert len(members) == 2 and group_of(leader) == [] and server.pid is None


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_whatever_ends_the_body_the_processes_are_gone(stubborn, tmp_path, monkeypatch, error):
    monkeypatch.setattr(LMDeployServer, "_wait", lambda self: time.sleep(0.5))
    with pytest.raises(error), LMDeployServer(MINI, log=tmp_path / "log") as server:
        leader = server.pid
        assert leader in group_of(leader) and os.getpgid(leader) == leader != os.getpgid(0)
        raise error
    assert group_of(leader) == []
    server.stop()  # a second time does nothing


def test_ctrl_c_while_it_starts_leaves_nothing(stubborn, tmp_path, monkeypatch):
    leaders = []

    def interrupted(port):
        leaders.extend(process.pid for process in psutil.Process().children())
        raise KeyboardInterrupt

    monkeypatch.setattr(lmdeploy_server, "_healthy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LMDeployServer(MINI, log=tmp_path / "log", progress=False).start()
    assert leaders and not any(group_of(leader) for leader in leaders)


def test_a_program_that_forgets_to_stop_it_takes_it_along(tmp_path):
    program = f"""
import sys
from course_lib import lmdeploy_server as module
module.require_gpu, module.PATIENCE = lambda: None, 1
module.LMDeployServer._wait = lambda self: None
module.LMDeployServer.command = lambda self: [sys.executable, "-c", "import time; time.sleep(600)"]
print(module.LMDeployServer({str(MINI)!r}, log={str(tmp_path / "log")!r}).start().pid)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert group_of(int(done.stdout)) == []


def test_a_port_that_is_taken_is_named_with_who_holds_it(any_machine, tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        server = LMDeployServer(MINI, port=port, log=tmp_path / "log")
        with pytest.raises(OSError, match=f"port {port} .* taken by process {os.getpid()} .*give another port"):
            server.start()
    assert server.pid is None and not (tmp_path / "log").exists()


def test_a_free_port_is_free():
    require_free(free_port())


def test_health_is_asked_without_a_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    with openai_server() as echo, ServerEngine(echo.url) as engine:
        assert lmdeploy_server._healthy(int(echo.url.split(":")[2].removesuffix("/v1")))
        assert engine.answer("x") == "ok"


@pytest.mark.parametrize("wrong", [{"cache_fraction": 0}, {"cache_fraction": 1.5}, {"backend": "onnx"}])
def test_wrong_settings_are_refused_at_once(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LMDeployServer(MINI, **wrong)


@pytest.mark.filterwarnings("ignore")
def test_lmdeploys_command_line_knows_every_option(any_machine, monkeypatch, tmp_path):
    from lmdeploy.cli.cli import CLI
    from lmdeploy.cli.serve import SubCliServe

    monkeypatch.setattr(LMDeployServer, "_launch", lambda self: commands.append(self.command()))
    monkeypatch.setattr(LMDeployServer, "_wait", lambda self: None)
    commands = []
    for backend in ("turbomind", "pytorch"):
        with LMDeployServer(MINI, backend=backend, session_len=2048, model_name="mine", log=tmp_path / "log"):
            pass
    SubCliServe.add_parser_api_server()
    for backend, command in zip(("turbomind", "pytorch"), commands, strict=True):
        options = CLI.parser.parse_args(command[3:])
        assert (options.server_name, options.backend, options.session_len) == ("127.0.0.1", backend, 2048)
        assert (options.model_name, options.chat_template, options.cache_max_entry_count) == ("mine", "hf", 0.4)
        assert not options.trust_remote_code and options.disable_metrics


def test_what_tells_of_memory_and_what_does_not():
    shortages = ("torch.OutOfMemoryError: CUDA out of memory. Tried", "No enough gpu memory for kv cache.")
    assert all("lower cache_fraction" in memory_advice(text) for text in shortages)
    assert memory_advice("ValueError: unsupported vl model") == ""


# The engine over OpenAI's protocol


def test_a_batch_keeps_its_order_whatever_comes_back_first():
    def rule(body):
        number = int(body["messages"][-1]["content"])
        time.sleep(0.3 - 0.03 * number)
        return f" answer {number}\n"

    with openai_server(rule) as echo, ServerEngine(echo.url) as engine:
        started = time.monotonic()
        answers = engine.answer_batch([str(n) for n in range(10)], [None] * 10, progress=False)
        assert answers == [f"answer {number}" for number in range(10)]
        assert time.monotonic() - started < 1.2  # at once: one after the other they take 1.65 seconds


def test_streamed_and_whole_answers_are_the_same_and_end_before_a_stop_text():
    with openai_server(lambda body: "\n One,  two STOP three ") as echo, ServerEngine(echo.url) as engine:
        for stop, expected in (((), "One,  two STOP three"), (("STOP",), "One,  two"), (("S", "two"), "One,")):
            assert "".join(engine.stream("x", stop=stop)) == expected
            assert engine.answer_batch(["x"], [None], stop=stop, progress=False) == [expected]
        assert len(list(engine.stream("x"))) > 10  # piece by piece


def test_a_stream_never_shows_the_beginning_of_a_stop_text():
    def pieces(closed):
        try:
            yield from "ab <en"
            yield "d> more"
            yield "never read"
        finally:
            closed.append(True)

    closed = []
    assert "".join(text_stream(pieces(closed), ("<end>",))) == "ab"
    assert closed == [True]


def test_the_request_is_what_lmdeploys_server_takes():
    from lmdeploy.messages import GenerationConfig
    from lmdeploy.serve.core.generation_config import build_generation_config
    from lmdeploy.serve.openai.protocol import ChatCompletionRequest

    drawn = Sampling(max_new_tokens=7, temperature=0.7, top_p=0.9, top_k=11, seed=3)
    with openai_server() as echo, ServerEngine(echo.url) as engine:
        for sampling in (drawn, Sampling()):
            list(engine.stream_messages([{"role": "user", "content": "x"}], [], sampling))
    requests = [ChatCompletionRequest(**body) for body in echo.bodies]
    built = [
        build_generation_config(r, {}, max_new_tokens=r.max_completion_tokens, random_seed=r.seed) for r in requests
    ]
    assert all(isinstance(config, GenerationConfig) and config.skip_special_tokens for config in built)
    assert (built[0].temperature, built[0].top_p, built[0].top_k, built[0].random_seed) == (0.7, 0.9, 11, 3)
    assert built[0].max_new_tokens == 7 and requests[0].model == "served"
    assert (built[1].top_k, built[1].temperature) == (1, 1.0)  # greedy, as lmdeploy itself does it
    with pytest.raises(ValueError, match="temperature of at most 2"):
        request_settings(Sampling(temperature=2.5))


def test_pictures_travel_as_png_urls_at_their_marks():
    with openai_server() as echo, ServerEngine(echo.url, model_name="mine") as engine:
        engine.answer("Which of <image> and <image>?", [Image.new("RGB", (3, 2)), Image.new("L", (1, 1))], max_tiles=4)
    text, *pictures = echo.bodies[0]["messages"][0]["content"]
    assert text == {"type": "text", "text": "Which of <IMAGE_TOKEN> and <IMAGE_TOKEN>?"}
    assert all(item["image_url"]["url"].startswith("data:image/png;base64,") for item in pictures)
    assert [item["image_url"]["max_dynamic_patch"] for item in pictures] == [4, 4]


def test_a_chat_remembers_and_its_system_prompt_goes_first():
    with openai_server(lambda body: f"{len(body['messages'])} messages") as echo, ServerEngine(echo.url) as engine:
        chat = engine.chat(system="Be brief.")
        assert [chat.ask("a"), chat.ask("b")] == ["2 messages", "4 messages"]
    roles = [message["role"] for message in echo.bodies[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_a_server_that_is_not_there_and_one_that_refuses_are_told_apart():
    def refuse(body):
        raise ValueError("Input length (9000) must be smaller than the model context length (4096).")

    with openai_server(refuse) as echo:
        engine = ServerEngine(echo.url)
        for ask in (lambda: engine.answer("x"), lambda: engine.answer_batch(["x"], [None], progress=False)):
            with pytest.raises(ValueError, match="refused the request.*context length"):
                ask()
    with pytest.raises(RuntimeError, match="the server has ended, or was not started"):
        engine.answer("x")
    with pytest.raises(RuntimeError, match="no answer from"):
        ServerEngine(echo.url)


# On a GPU: real answers


@GPU
def test_on_a_gpu_the_server_answers_as_transformers_does_and_gives_its_memory_back(tmp_path):
    before = used_memory()
    with LMDeployServer(MINI, log=tmp_path / "log", cache_fraction=0.1) as server:
        check_same_answers(server.engine())
        reply = server.client().chat.completions.create(
            model=server.model_name, messages=[{"role": "user", "content": "Hello"}], max_tokens=8
        )
        assert reply.choices[0].message.content is not None
        assert [model.id for model in server.client().models.list()] == [server.model_name] == [MINI.name]
        assert used_memory() > before
        leader = server.pid
    assert group_of(leader) == []
    assert used_memory() < before + 200e6


@GPU
def test_on_a_gpu_a_served_engine_stops_its_server_when_closed(tmp_path):
    with serve(MINI, log=tmp_path / "log", cache_fraction=0.1) as engine:
        leader = engine.server.pid
        chat = engine.chat(Image.new("RGB", (200, 112), "red"))
        assert chat.ask("Which colour?") and chat.ask("Really?") and len(chat.messages) == 4
    assert group_of(leader) == []
