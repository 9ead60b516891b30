"""The Jinja template of a checkpoint renders what conversation.render_prompt renders."""

from __future__ import annotations

import warnings

import pytest
from course_lib.chat_template import GUESSED_FROM_PATH, chat_template, guessed_template
from course_lib.checkpoint import load_checkpoint, save_checkpoint
from course_lib.conversation import render_prompt
from course_lib.spec import TEMPLATES

QUESTION = {"role": "user", "content": "What's in it?\n\n {{ x }} '\"\\ 松鼠 "}
ANSWER = {"role": "assistant", "content": " A fish.\n{% if %}<|x|>"}
LATER = {"role": "user", "content": "\nAnd then?"}


def jinja(messages, template, **options):
    from transformers.utils.chat_template_utils import render_jinja_template

    return render_jinja_template([messages], chat_template=template, **options)[0][0]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("messages", [[QUESTION], [QUESTION, ANSWER], [QUESTION, ANSWER, LATER]])
@pytest.mark.parametrize("own", [None, "Be \"brief\".\n请简短。", ""])
def test_it_renders_what_training_renders(name, messages, own):
    system, separator = TEMPLATES[name]
    given = [] if own is None else [{"role": "system", "content": own}]
    asking = messages[-1]["role"] == "user"
    rendered = jinja(given + messages, chat_template(system, separator), add_generation_prompt=asking)
    assert rendered == render_prompt(messages, (), system if own is None else own, separator=separator)


def test_a_model_without_a_system_prompt_gets_no_system_turn():
    assert jinja([QUESTION], chat_template(None), add_generation_prompt=True) == render_prompt([QUESTION], (), None)


def test_a_picture_in_a_list_of_items_is_a_line_of_its_own():
    items = [{"type": "image"}, {"type": "image_url"}, {"type": "text", "text": "Which?"}]
    rendered = jinja([{"role": "user", "content": items}], chat_template("s"), add_generation_prompt=True)
    assert rendered == render_prompt([{"role": "user", "content": "<image>\n<image>\nWhich?"}], [1, 1], "s")


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([QUESTION, {"role": "system", "content": "x"}], "system for the first message only"),
        ([{"role": "tool", "content": "x"}], "use the roles user and assistant"),
        ([{"role": "user", "content": [{"type": "video"}]}], "not video"),
    ],
)
def test_what_the_model_was_not_trained_on_is_refused(messages, complaint):
    with pytest.raises(Exception, match=complaint):
        jinja(messages, chat_template("s"))


# Which folders lmdeploy's command line mistakes for another model


@pytest.mark.filterwarnings("ignore")
def test_the_list_of_misleading_paths_is_lmdeploys_own(tmp_path):
    from lmdeploy.model import MODELS

    def first_match(path):
        for name, model in MODELS.module_dict.items():
            if name != "hf" and model.match(path):
                return name
        return None

    words = sorted({word for row in GUESSED_FROM_PATH for word in (*row[0], *row[1])})
    paths = [f"/data/{one}-{two}-{three}" for one in words for two in words for three in ("x", "v1", "chat")]
    for path in [*paths, "/data/internvl-mini", "/data/InternVL2-2B", "/data/merged"]:
        assert guessed_template(path) == first_match(path), path


def test_saving_to_a_misleading_folder_warns_and_says_what_to_do(tiny, tmp_path):
    with pytest.warns(UserWarning, match="'vicuna'.*--chat-template hf"):
        save_checkpoint(tiny, tmp_path / "Vicuna-and-mine")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_checkpoint(tiny, tmp_path / "mine")


# What a saved folder carries


def test_a_saved_folder_has_one_template_no_remote_code_and_both_stop_tokens(tiny_folder, tmp_path):
    import json

    from transformers import AutoTokenizer, GenerationConfig

    vlm = load_checkpoint(tiny_folder, device="cpu")
    file = "tokenizer_config.json"
    code = {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]}
    official = {"auto_map": code, "chat_template": "?"}
    vlm.spec.files[file] = json.dumps(json.loads(vlm.spec.files[file]) | official).encode()
    save_checkpoint(vlm, tmp_path)
    for use_fast in (True, False):
        tokenizer = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False, use_fast=use_fast)
        prompt = tokenizer.apply_chat_template([QUESTION], tokenize=False, add_generation_prompt=True)
        assert prompt == render_prompt([QUESTION])
        assert tokenizer(prompt)["input_ids"] == vlm.tokenizer(prompt)["input_ids"]
    assert "chat_template" not in json.loads((tmp_path / file).read_text())
    assert set(GenerationConfig.from_pretrained(tmp_path).eos_token_id) == set(vlm.spec.stop_token_ids)
