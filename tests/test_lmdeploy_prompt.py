"""Same prompt everywhere: training, this kit on transformers, lmdeploy in process, lmdeploy's server.

lmdeploy's own code is run up to its engine, which needs a GPU: chat template, tokenizer, pictures, requests.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from course_lib.checkpoint import load_spec, save_checkpoint
from course_lib.conversation import encode_example
from course_lib.lmdeploy_config import ServedConfig, register
from course_lib.lmdeploy_folder import BACKENDS, choose_backend, is_served, link_checkpoint
from course_lib.lmdeploy_messages import to_lmdeploy
from course_lib.lmdeploy_reader import LMDeployReader
from course_lib.sampling import Sampling
from course_lib.server_engine import ServerEngine
from course_lib.vlm import VLM
from openai_echo import openai_server
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore")
MINI = Path(__file__).resolve().parents[1] / "data" / "internvl-mini"


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "LA": (2,)}[mode]
    array = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8)
    return Image.fromarray(array, mode)


def turned(tmp_path: Path) -> Path:
    """A JPEG whose EXIF entry says that it lies on its side."""
    image, exif = noise(90, 40), Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    return tmp_path / "turned.jpg"


def saved(mode: str, ending: str) -> Callable[[Path], Path]:
    """A file of its own kind: it travels to the server as it is."""

    def write(tmp_path: Path) -> Path:
        noise(90, 40, mode).save(tmp_path / f"picture.{ending}")
        return tmp_path / f"picture.{ending}"

    return write


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


TALK = [user("<image>\n图里有什么？"), assistant("一条鱼。"), user("What colour is it?")]
# messages, pictures, options
CASES = {
    "one picture": ([user("<image>\nWhat is it?")], [noise(120, 60)], {}),
    "no mark": ([user("What is it?")], [noise(60, 120)], {}),
    "mark at the end": ([user("What is it?\n<image>")], [noise(56, 56)], {}),
    "mark in the text, no newline": ([user("In <image>, what is it? ")], [noise(56, 56)], {}),
    "marks side by side": ([user("<image><image>\n\n有几个?")], [noise(200, 60), noise(60, 61)], {}),
    "two pictures, between texts": ([user("A: <image>\nB: <image>\nWhich?")], [noise(300, 90), noise(20, 20)], {}),
    "text only": ([user("你好 hello\n\nthere")], [], {}),
    "three turns": (TALK, [noise(130, 130)], {}),
    "a picture in a later turn": ([user("Hi"), assistant("Hi!"), user("<image>\nAnd this?")], [noise(60, 30)], {}),
    "pictures in two turns": ([*TALK[:2], user("And <image>?")], [noise(60, 30), noise(30, 60)], {}),
    "a system prompt": ([user("<image>\n这是什么?")], [noise(60, 30)], {"system": 'Answer "briefly".\n只说中文。'}),
    "a system prompt, no picture": ([user("这是什么?")], [], {"system": "You are a cook."}),
    "an empty system prompt": ([user("<image>\nx")], [noise(60, 30)], {"system": ""}),
    "few tiles": ([user("<image>\nWhat is it?")], [noise(500, 200)], {"max_tiles": 2}),
    "one tile": ([user("<image>\nWhat is it?")], [noise(500, 200)], {"max_tiles": 1}),
    "more tiles than the model's most": ([user("<image>\nx")], [noise(700, 100)], {"max_tiles": 20}),
    "RGBA": ([user("<image>\nx")], [noise(90, 40, "RGBA")], {}),
    "grey": ([user("<image>\nx")], [noise(90, 40, "L")], {}),
    "grey with alpha": ([user("<image>\nx")], [noise(90, 40, "LA")], {}),
    "palette": ([user("<image>\nx")], [noise(90, 40).quantize(16)], {}),
    "turned by EXIF": ([user("<image>\nx")], [turned], {}),
    "a JPEG file": ([user("<image>\nx")], [saved("RGB", "jpg")], {}),
    "a grey JPEG file": ([user("<image>\nx")], [saved("L", "jpg")], {}),
    "a transparent WebP file": ([user("<image>\nx")], [saved("RGBA", "webp")], {}),
    "a palette GIF file": ([user("<image>\nx")], [saved("L", "gif")], {}),
    "1x1": ([user("<image>\nx")], [noise(1, 1)], {}),
    "5000x1": ([user("<image>\nx")], [noise(5000, 1)], {}),
    "1x5000": ([user("<image>\nx")], [noise(1, 5000)], {}),
    "template's own words": ([user("<image>\n{{ messages }} {% raw %} <s> </s>")], [noise(60, 30)], {}),
}  # fmt: skip


FOLDERS = ["tiny", "mini", "golden"]


@pytest.fixture(scope="module", params=FOLDERS)
def source(request, tiny_folder) -> Path:
    if request.param == "golden":
        return request.getfixturevalue("golden") / "internvl_tiny"
    return {"tiny": tiny_folder, "mini": MINI}[request.param]


@pytest.fixture(scope="module")
def ours(source) -> VLM:
    """The kit's VLM for prompts, without its weights."""
    tokenizer, spec = load_spec(source)
    model = torch.nn.Module()
    model.get_input_embeddings = lambda: torch.nn.Embedding(1, 1)  # where the prompt is to lie
    return VLM(model, tokenizer, spec)


@pytest.fixture
def registered():
    """Registers the class that lmdeploy's PyTorch backend reads config.json with, and takes it back afterwards."""
    yield register
    forget()


def forget() -> None:
    from transformers import CONFIG_MAPPING

    CONFIG_MAPPING._extra_content.pop("internvl_chat", None)


@pytest.fixture(scope="module", params=["turbomind", "pytorch"])
def served(source, request, tmp_path_factory) -> Iterator[LMDeployReader]:
    if request.param == "pytorch":
        register()
    place = tmp_path_factory.mktemp("place")
    link_checkpoint(source, place)
    yield LMDeployReader(place, backend=request.param)
    forget()


def case(name: str, tmp_path: Path):
    messages, images, options = CASES[name]
    return messages, [image(tmp_path) if callable(image) else image for image in images], options


@pytest.mark.parametrize("name", CASES)
def test_lmdeploy_in_process_gets_the_same_tokens_and_pixels(ours, served, name, tmp_path):
    messages, images, options = case(name, tmp_path)
    expected = ours.encode_prompt(messages, images, **options)
    ids, pixels = served.read(messages, images, **options)
    assert ids == expected["input_ids"][0].tolist()
    assert (pixels is None and not images) or torch.equal(pixels, expected["pixel_values"])


@pytest.fixture(scope="module")
def echo():
    with openai_server() as server:
        yield server


@pytest.mark.parametrize("name", CASES)
def test_lmdeploys_server_gets_the_same_tokens_and_pixels_from_our_request(ours, served, echo, name, tmp_path):
    from lmdeploy.serve.openai.protocol import ChatCompletionRequest
    from lmdeploy.serve.parsers.response_parser import ResponseParserManager

    messages, images, options = case(name, tmp_path)
    with ServerEngine(echo.url) as engine:
        assert "".join(engine.stream_messages(messages, images, Sampling(), **options)) == "ok"
    request = ChatCompletionRequest(**echo.bodies[-1])
    request = ResponseParserManager.get("default")(request).request
    ids, pixels = served.read_request(
        request.messages, tools=request.tools, reasoning_effort=request.reasoning_effort,
        chat_template_kwargs=request.chat_template_kwargs, media_io_kwargs=request.media_io_kwargs,
        mm_processor_kwargs=request.mm_processor_kwargs,
    )  # fmt: skip
    expected = ours.encode_prompt(messages, images, **options)
    assert ids == expected["input_ids"][0].tolist()
    assert (pixels is None and not images) or torch.equal(pixels, expected["pixel_values"])


@pytest.mark.parametrize("name", ["two pictures, between texts", "three turns", "text only"])
def test_training_learns_on_the_tokens_that_lmdeploy_reads(ours, served, name, tmp_path):
    messages, images, _ = case(name, tmp_path)
    if name == "text only":
        messages = [*messages, assistant("嗯。"), user("OK?")]
    ids, _ = served.read(messages, images)
    counts = [len(ours.pixel_values(image)) * ours.spec.tokens_per_tile for image in images]
    learned = encode_example(
        [*messages, assistant("Yes.")], ours.tokenizer, counts, system=ours.spec.system, separator=ours.spec.separator
    )
    assert learned["input_ids"][: len(ids)] == ids
    assert learned["labels"][len(ids)] != -100  # the answer begins just where lmdeploy's begins


def test_after_the_cast_the_pixels_are_ours_cast(ours, served):
    image = noise(200, 90)
    served.encoder.model.set_mm_feature_dtype(torch.bfloat16)
    _, pixels = served.read([user("x")], [image])
    served.encoder.model.set_mm_feature_dtype(torch.float32)
    assert pixels.dtype == torch.bfloat16 and torch.equal(pixels, ours.pixel_values(image).bfloat16())


def test_lmdeploy_stops_at_the_end_of_a_turn_and_of_a_text(ours, served):
    from lmdeploy import GenerationConfig
    from lmdeploy.utils import get_hf_gen_cfg

    settings = GenerationConfig()
    settings.update_from_hf_gen_cfg(get_hf_gen_cfg(served.template.model_path), served.tokenizer.eos_token_id)
    assert set(settings.stop_token_ids) == set(ours.spec.stop_token_ids)


def test_a_saved_checkpoint_is_served_alike_by_lmdeploy_alone(tiny, tmp_path):
    """As someone would who has lmdeploy and the exported folder, and not this kit: plain OpenAI messages."""
    save_checkpoint(tiny, tmp_path)
    alone = LMDeployReader(tmp_path)
    image = noise(120, 60)
    items = [{"type": "image_data", "image_data": {"data": image}}, {"type": "text", "text": "What is it?"}]
    ids, pixels = alone.read_request([{"role": "user", "content": items}])
    expected = tiny.encode_prompt([user("<image>\nWhat is it?")], [image])
    assert ids == expected["input_ids"][0].tolist() and torch.equal(pixels, expected["pixel_values"])


def test_lmdeploy_goes_on_with_an_answer_that_was_begun(tiny, tmp_path):
    save_checkpoint(tiny, tmp_path)
    ids, _ = LMDeployReader(tmp_path).read_request([user("Hi"), assistant("Hello, ")])
    expected = tiny.encode_prompt([user("Hi")], answer_so_far="Hello, ")
    assert ids == expected["input_ids"][0].tolist()


# What cannot become the same prompt is refused


@pytest.mark.parametrize(
    ("messages", "images", "complaint"),
    [
        ([user("<IMAGE_TOKEN> x")], [noise(2, 2)], "message 0 contains <IMAGE_TOKEN>"),
        ([user("<image> <image>")], [noise(2, 2)], "2 <image> marks for 1 pictures"),
        ([user("<IMG_CONTEXT>")], [], "control token"),
        ([assistant("x")], [], "the user begins"),
    ],
)
def test_a_conversation_that_would_be_read_otherwise_is_refused(messages, images, complaint):
    with pytest.raises(ValueError, match=complaint):
        to_lmdeploy(messages, images)


def test_layouts_that_lmdeploy_reads_otherwise_are_refused(tiny_folder, tmp_path):
    import json
    import shutil

    folder = shutil.copytree(tiny_folder, tmp_path / "v1")
    config = json.loads((folder / "config.json").read_text()) | {"ps_version": "v1"}
    (folder / "config.json").write_text(json.dumps(config))
    for refuse in (lambda: link_checkpoint(folder, tmp_path), lambda: choose_backend(folder)):
        with pytest.raises(ValueError, match="ps_version v1.*engine='transformers'"):
            refuse()
    assert is_served(tiny_folder) and not is_served(folder)  # so open_engine's "auto" takes transformers


# The backend, and what it reads


def test_the_backend_is_checked_before_anything_is_started(tiny_folder):
    with pytest.raises(ValueError, match=f"one of {', '.join(BACKENDS)}"):
        choose_backend(tiny_folder, "onnx")
    with pytest.raises(ValueError, match="this model has 16: use backend='pytorch'"):
        choose_backend(tiny_folder, "turbomind")
    assert choose_backend(tiny_folder) == "pytorch" == choose_backend(MINI, "pytorch")
    assert choose_backend(MINI, "turbomind") == "turbomind"


def test_lmdeploys_pytorch_backend_can_read_the_configuration(source, tmp_path, registered):
    from lmdeploy.archs import get_model_arch
    from lmdeploy.pytorch.configurations import AutoModelConfigBuilder
    from lmdeploy.pytorch.nn.rotary_embedding import get_rope_parameters, get_rope_theta

    spec = link_checkpoint(source, tmp_path)
    registered()
    _, config = get_model_arch(str(tmp_path))
    model, llm = AutoModelConfigBuilder.build(config, str(tmp_path), tp=1), spec.config["llm_config"]
    assert (model.hidden_size, model.vocab_size) == (llm["hidden_size"], llm["vocab_size"])
    assert model.head_dim == llm["hidden_size"] // llm["num_attention_heads"]
    assert get_rope_theta(config.llm_config) == llm["rope_theta"]
    assert get_rope_parameters(config.llm_config)["factor"] == llm["rope_scaling"]["factor"]
    assert config.vision_config.hidden_size == spec.config["vision_config"]["hidden_size"]


def test_no_code_of_the_checkpoint_is_linked_or_named(tiny_folder, tmp_path):
    import json
    import shutil

    folder, place = shutil.copytree(tiny_folder, tmp_path / "official"), tmp_path / "place"
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "configuration_internvl_chat.InternVLChatConfig"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_internvl_chat.py").write_text("raise SystemExit('remote code')")
    place.mkdir()
    link_checkpoint(folder, place)
    assert not list(place.glob("*.py")) and "auto_map" not in json.loads((place / "config.json").read_text())


def test_the_processes_that_the_server_starts_know_the_configuration_too():
    """The PyTorch backend's engine is a process of its own there: it imports its parent's main module first."""
    program = f"""
from multiprocessing import spawn
spawn._fixup_main_from_name("course_lib.lmdeploy_main")
from lmdeploy.archs import get_model_arch
print(get_model_arch({str(MINI)!r})[1].llm_config.hidden_size)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split()[-1] == "256"


def test_a_qwen2_checkpoints_parts_become_objects():
    llm = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 896, "rope_theta": 1e6}
    read = ServedConfig(llm_config=llm, vision_config={"hidden_size": 1024})
    assert read.llm_config.hidden_size == 896 and read.llm_config.rope_parameters["rope_theta"] == 1e6
    assert read.vision_config.hidden_size == 1024
