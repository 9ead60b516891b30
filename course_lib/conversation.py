"""Turns become the prompt that the model was trained on, token ids, and the label mask.

Templates internlm2-chat and Hermes-2 (InternVL2: `separator=""`) and internvl2_5 (InternVL2.5 and 3: `separator="\\n"`)
of upstream `internvl_chat/internvl/conversation.py`. The tokenizer adds `<s>` where the model wants one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Message = "Mapping[str, str]"  # {"role": "user" | "assistant", "content": text}

# "You are the Shusheng multimodal model, developed by Shanghai AI Laboratory and SenseTime; your English name is
# InternVL, and you are a useful and harmless AI assistant." Tuning and serving must use the same one.
SYSTEM_PROMPT = (
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
)
# The same of InternVL2.5 and 3: "You are Shusheng Wanxiang, in English InternVL, a multimodal large language model
# developed by Shanghai AI Laboratory, Tsinghua University and partners."
SYSTEM_PROMPT_2_5 = (
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
)
IMAGE_MARK = "<image>"
IMAGE_START, IMAGE_TOKEN, IMAGE_END = "<img>", "<IMG_CONTEXT>", "</img>"
TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
IGNORED = -100  # the label that torch's cross entropy leaves out
CONTROL_TOKENS = (TURN_START, TURN_END, IMAGE_START, IMAGE_TOKEN, IMAGE_END)


def render_prompt(
    messages: Sequence[Message],
    visual_tokens: Sequence[int] = (),
    system: str | None = SYSTEM_PROMPT,
    *,
    separator: str = "",
) -> str:
    """The prompt as text; each `<image>` becomes `visual_tokens[i]` image tokens. Raises ValueError naming the message.

    Ends with `<|im_start|>assistant\\n` if the last message is the user's. `system=None` leaves the system turn out.
    """
    return "".join(text for text, _ in _pieces(messages, visual_tokens, system, separator))


def encode_example(
    messages: Sequence[Message],
    tokenizer: Any,
    visual_tokens: Sequence[int] = (),
    *,
    system: str | None = SYSTEM_PROMPT,
    separator: str = "",
    max_length: int | None = None,
) -> dict[str, list[int]]:
    """A conversation to learn from: `input_ids` and `labels`, lists of one length. Raises ValueError; never cuts.

    Labels are -100 up to and including `assistant\\n`; each answer and its `<|im_end|>` are learned, in every turn.
    """
    if messages and messages[-1]["role"] != "assistant":
        raise ValueError(
            f"message {len(messages) - 1} is the last and has role {messages[-1]['role']!r}: "
            "an example to learn from ends with the assistant's answer"
        )
    pieces = _pieces(messages, visual_tokens, system, separator)
    # The whole text at once: cut at the piece boundaries first, and a newline before an answer that begins with one
    # would become other tokens than the model meets when it answers.
    encoded = tokenizer("".join(text for text, _ in pieces), return_offsets_mapping=True)
    learned_spans, position = [], 0
    for text, learned in pieces:
        if learned:
            learned_spans.append((position, position + len(text)))
        position += len(text)

    labels, span = [], 0
    for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        while span < len(learned_spans) and start >= learned_spans[span][1]:
            span += 1
        learned = span < len(learned_spans) and learned_spans[span][0] <= start < end <= learned_spans[span][1]
        labels.append(token if learned else IGNORED)

    length = len(labels)
    if max_length is not None and length > max_length:
        raise ValueError(
            f"the example has {length} tokens ({sum(visual_tokens)} visual), more than max_length={max_length}: "
            "use fewer tiles, a shorter text or a larger max_length (cutting it would drop image tokens or the answer)"
        )
    return {"input_ids": list(encoded["input_ids"]), "labels": labels}


def place_marks(messages: Sequence[Message], pictures: int) -> list[Message]:
    """The messages, with `<image>` and a newline in front of the first for each picture, if no message has a mark."""
    messages = list(messages)
    if pictures and messages and not any(IMAGE_MARK in message["content"] for message in messages):
        messages[0] = {**messages[0], "content": f"{IMAGE_MARK}\n" * pictures + messages[0]["content"]}
    return messages


def _pieces(
    messages: Sequence[Message], visual_tokens: Sequence[int], system: str | None, separator: str
) -> list[tuple[str, bool]]:
    """The prompt in pieces (text, is it learned?)."""
    contents = _fill_images(messages, visual_tokens)
    end = TURN_END + separator
    pieces = [] if system is None else [(f"{TURN_START}system\n{system}{end}", False)]
    for message, content in zip(messages, contents, strict=True):
        if message["role"] == "user":
            pieces.append((f"{TURN_START}user\n{content}{end}{TURN_START}assistant\n", False))
        else:
            pieces += [(content + TURN_END, True), (separator, False)]
    return pieces


def _fill_images(messages: Sequence[Message], visual_tokens: Sequence[int]) -> list[str]:
    """The contents with every `<image>` spelled out as image tokens, after checking roles, marks and answers."""
    if not messages:
        raise ValueError("a conversation needs at least one message")
    for number, message in enumerate(messages):
        where, role, content = f"message {number}", message.get("role"), message.get("content")
        if role not in ("user", "assistant"):
            raise ValueError(
                f"{where} has the role {role!r}: use 'user' or 'assistant' (the system prompt is the argument `system`)"
            )
        expected = ("user", "assistant")[number % 2]
        if role != expected:
            raise ValueError(
                f"{where} is the {role}'s where the {expected}'s is due: turns alternate, and the user begins"
            )
        if not isinstance(content, str):
            raise ValueError(f"{where} has a content of type {type(content).__name__}: it must be text")
        if role == "assistant" and not content.strip():
            raise ValueError(f"{where} is an empty answer: there is nothing to learn or to continue from")
        if role == "assistant" and IMAGE_MARK in content:
            raise ValueError(f"{where} is an answer with {IMAGE_MARK} in it: only the user's turns hold pictures")
        for token in CONTROL_TOKENS:
            if token in content:
                raise ValueError(f"{where} contains the control token {token}: write {IMAGE_MARK} for a picture")

    marks = [message["content"].count(IMAGE_MARK) for message in messages]
    if sum(marks) != len(visual_tokens):
        places = ", ".join(f"message {number} has {count}" for number, count in enumerate(marks) if count) or "none"
        raise ValueError(
            f"{sum(marks)} {IMAGE_MARK} marks for {len(visual_tokens)} pictures ({places}): "
            "write one mark where each picture belongs"
        )
    contents, counts = [], iter(visual_tokens)
    for message in messages:
        first, *rest = message["content"].split(IMAGE_MARK)
        for text in rest:
            first += IMAGE_START + IMAGE_TOKEN * next(counts) + IMAGE_END + text
        contents.append(first)
    return contents
