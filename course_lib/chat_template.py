"""The prompt of conversation.py once more, as the Jinja template that a checkpoint carries for other programs.

lmdeploy, vLLM and transformers' `apply_chat_template` read it. The `<s>` in front is left to the tokenizer.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from course_lib.conversation import IMAGE_END, IMAGE_START, IMAGE_TOKEN, TURN_END, TURN_START

_TEMPLATE = """\
{%- macro spoken(content) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- else -%}
        {%- for item in content -%}
            {%- if item['type'] == 'text' -%}
                {{- item['text'] -}}
            {%- elif item['type'] in ('image', 'image_url') -%}
                {{- PICTURE -}}
            {%- else -%}
                {{- raise_exception('this model takes text and images, not ' ~ item['type']) -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- if messages and messages[0]['role'] == 'system' -%}
    {{- SYSTEM_START ~ spoken(messages[0]['content']) ~ END -}}
{%- else -%}
    {{- OWN_SYSTEM -}}
{%- endif -%}
{%- for message in messages -%}
    {%- if message['role'] in ('user', 'assistant') -%}
        {{- TURN_START ~ message['role'] ~ NEWLINE ~ spoken(message['content']) ~ END -}}
    {%- elif not (loop.first and message['role'] == 'system') -%}
        {{- raise_exception('use the roles user and assistant, and system for the first message only') -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- ANSWER_START -}}
{%- endif -%}
"""


def chat_template(system: str | None, separator: str = "") -> str:
    """The Jinja template that renders messages as `conversation.render_prompt` does, with `system` where none is given.

    A picture is one `<img><IMG_CONTEXT></img>` and a newline: who runs the model repeats the middle for its tokens.
    """
    end = TURN_END + separator
    texts = {
        "PICTURE": f"{IMAGE_START}{IMAGE_TOKEN}{IMAGE_END}\n",
        "SYSTEM_START": f"{TURN_START}system\n",
        "OWN_SYSTEM": "" if system is None else f"{TURN_START}system\n{system}{end}",
        "TURN_START": TURN_START,
        "NEWLINE": "\n",
        "END": end,
        "ANSWER_START": f"{TURN_START}assistant\n",
    }
    # JSON's escapes are Jinja's, too: a newline within a text is safe from Jinja's rules for blank space.
    constants = [f"{{%- set {name} = {json.dumps(text, ensure_ascii=False)} -%}}\n" for name, text in texts.items()]
    return "".join(constants) + _TEMPLATE


# lmdeploy's command line guesses the template from the folder's path before it looks for the checkpoint's own: a path
# that contains all of the first words, and none of the second, gets the template named (lmdeploy 0.18, model.py).
GUESSED_FROM_PATH = (
    (("cogvlm",), ("cogvlm2",), "cogvlm"),
    (("vicuna",), ("llava",), "vicuna"),
    (("wizardlm",), (), "vicuna"),
    (("llava", "v1"), ("v1.6-34b", "mistral"), "llava-v1"),
    (("llava-1.5",), (), "llava-v1"),
    (("llama-2",), (), "llama2"),
    (("llama2",), (), "llama2"),
    (("codellama",), (), "codellama"),
    (("chatglm2",), (), "chatglm"),
    (("instruct", "mistral"), (), "mistral"),
    (("llava", "mistral"), (), "mistral"),
    (("instruct", "mixtral"), (), "mistral"),
    (("llava", "mixtral"), (), "mistral"),
    (("internvl-chat", "v1-1"), (), "internvl-zh"),
    (("deepseek-vl", "chat"), (), "deepseek-vl"),
    (("deepseek-vl2",), (), "deepseek-vl2"),
    (("llava", "v1.6-34b"), (), "llava-chatml"),
)


def guessed_template(folder: str | Path) -> str | None:
    """The built-in template that lmdeploy's command line would take for a folder of this path; None is right."""
    path = str(folder).lower()
    for needed, forbidden, template in GUESSED_FROM_PATH:
        if all(word in path for word in needed) and not any(word in path for word in forbidden):
            return template
    return None


def warn_of_guess(folder: str | Path) -> None:
    """Warn where a folder's path would make lmdeploy's command line use another model's template."""
    folder = Path(folder).resolve()
    if template := guessed_template(folder):
        warnings.warn(
            f"lmdeploy's command line takes {folder} for another model, by its path, and would use the prompt template "
            f"{template!r}: rename the folder, or add `--chat-template hf` to the command (this kit's own engines are "
            "not affected)",
            stacklevel=2,
        )
