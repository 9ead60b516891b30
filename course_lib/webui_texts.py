"""What the web page says, in Chinese and in English: the same fields in both, so that neither can lack one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Texts:
    """All words of the page in one language; those with {braces} are filled in with `format`."""

    title: str
    language: str
    before: str
    after: str
    welcome: str
    ask_here: str
    send: str
    stop: str
    retry: str
    undo: str
    clear: str
    examples: str
    tell_a_joke: str
    drawn_question: str
    thumbnail: str
    models: str
    settings: str
    temperature: str
    temperature_info: str
    top_p: str
    top_p_info: str
    top_k: str
    top_k_info: str
    max_new_tokens: str
    max_tiles: str
    max_tiles_info: str
    seed: str
    seed_info: str
    place: str
    place_info: str
    place_before: str
    place_after: str
    fresh: str
    fresh_info: str
    tiles: str
    tiles_none: str
    tiles_caption: str
    tiles_grid: str
    tiles_tile: str
    tiles_thumbnail: str
    stopped: str
    stopped_early: str
    said_nothing: str
    forgot: str
    no_question: str
    no_model: str
    no_seed: str
    still_answering: str
    nothing_to_undo: str
    file_too_large: str
    not_a_picture: str
    broken_picture: str
    too_many_pixels: str
    too_long: str
    out_of_memory: str
    not_understood: str
    failed: str


EN = Texts(
    title="Talk to InternVL",
    language="Language",
    before="Before tuning: {name}",
    after="After tuning: {name}",
    welcome="Add a picture, or pick one below, and ask about it.",
    ask_here="Ask, and add pictures with the button, by dropping or by pasting",
    send="Send",
    stop="Stop",
    retry="Ask again",
    undo="Take back",
    clear="Clear",
    examples="Pictures to try: a click puts one with its question into the box",
    tell_a_joke="Tell a joke about it",
    drawn_question="What is in the picture?",
    thumbnail="picture {number} of this question",
    models="Who answers",
    settings="How it answers",
    temperature="Temperature",
    temperature_info="0: the likeliest token, always",
    top_p="Top-p",
    top_p_info="only the likeliest, up to this probability",
    top_k="Top-k",
    top_k_info="only so many; 0: all",
    max_new_tokens="Longest answer",
    max_tiles="Most tiles a picture",
    max_tiles_info="more: finer detail, more tokens",
    seed="Seed",
    seed_info="makes a draw repeatable; may be empty",
    place="Pictures stand",
    place_info="food's training data has them after it",
    place_before="before the question",
    place_after="after it",
    fresh="A new picture starts afresh",
    fresh_info="the model forgets the turns before it: the small one never learned from two pictures",
    tiles="What the model sees",
    tiles_none="The tiles of the last question's pictures will be here.",
    tiles_caption="{width} x {height} px: a grid of {columns} x {rows} (columns x rows), {tiles} tiles, "
    "{tokens} visual tokens",
    tiles_grid="the picture under its grid",
    tiles_tile="tile {number}",
    tiles_thumbnail="thumbnail: the whole picture",
    stopped="stopped",
    stopped_early="stopped before its first word: the model does not remember this question",
    said_nothing="the model ended its answer at once; it does not remember this question",
    forgot="The conversation is longer than the model's {room} tokens: it has forgotten the earliest turns ({turns}). "
    "Clear starts a new one.",
    no_question="Write a question first.",
    no_model="Choose at least one model that answers.",
    no_seed="The seed {text} is no whole number: write digits, or nothing.",
    still_answering="The last question is still being answered: wait, or press Stop.",
    nothing_to_undo="There is no earlier question to go back to.",
    file_too_large="{name} is larger than {limit} MB: make it smaller, and add it again.",
    not_a_picture="{name} is no picture that this page can read: PNG, JPEG, WebP, BMP or GIF.",
    broken_picture="{name} is damaged and cannot be read: {reason}",
    too_many_pixels="{name} has {width} x {height} pixels, more than {limit} million: make it smaller.",
    too_long="This question needs {tokens} tokens, more than the model's {room} (with the answer): fewer pictures, "
    "fewer tiles, or a shorter question or answer.",
    out_of_memory="Not enough memory for this question; the conversation is as it was. Fewer tiles or pictures need "
    "less, and Clear gives back what this conversation holds.",
    not_understood="This question was not accepted; the conversation is as it was. {reason}",
    failed="The model failed; the conversation is as it was. {reason} (The terminal in which this page was started has "
    "the details.)",
)

ZH = Texts(
    title="与 InternVL 对话",
    language="语言",
    before="微调前：{name}",
    after="微调后：{name}",
    welcome="添加一张图片，或从下方挑一张，然后提问。",
    ask_here="输入问题；图片可点按钮添加，也可拖入或粘贴",
    send="发送",
    stop="停止",
    retry="重新回答",
    undo="撤回",
    clear="清空",
    examples="可以试试的图片：点一下，图片和问题就放进输入框",
    tell_a_joke="讲一个脑洞大开的梗",
    drawn_question="图中有什么？",
    thumbnail="这个问题的第 {number} 张图片",
    models="由谁回答",
    settings="如何回答",
    temperature="温度",
    temperature_info="0：总取最可能的词元",
    top_p="Top-p",
    top_p_info="只取最可能的，累计到该概率",
    top_k="Top-k",
    top_k_info="最多取这么多个；0：不限",
    max_new_tokens="回答最长词元数",
    max_tiles="每张图片最多几块",
    max_tiles_info="块越多，细节越清楚，词元也越多",
    seed="随机种子",
    seed_info="填了就可重复；可留空",
    place="图片的位置",
    place_info="美食训练数据的图片在问题之后",
    place_before="问题之前",
    place_after="问题之后",
    fresh="有新图片就重新开始",
    fresh_info="模型忘掉之前的对话：小模型没有学过两张图片",
    tiles="模型看到的图块",
    tiles_none="上一个问题的图片切成的图块会显示在这里。",
    tiles_caption="{width} x {height} 像素：{columns} x {rows} 的网格（列 x 行），{tiles} 块，{tokens} 个视觉词元",
    tiles_grid="图片与网格",
    tiles_tile="第 {number} 块",
    tiles_thumbnail="缩略图：整张图片",
    stopped="已停止",
    stopped_early="还没开口就停止了：模型不记得这个问题",
    said_nothing="模型立刻结束了回答；它不记得这个问题",
    forgot="对话超过了模型的 {room} 个词元：它忘掉了最早的 {turns} 轮。按“清空”可以重新开始。",
    no_question="请先输入问题。",
    no_model="请至少选一个模型来回答。",
    no_seed="随机种子 {text} 不是整数：请填数字，或留空。",
    still_answering="上一个问题还在回答：请稍等，或按“停止”。",
    nothing_to_undo="没有可以退回的问题。",
    file_too_large="{name} 超过 {limit} MB：请缩小后再添加。",
    not_a_picture="{name} 不是本页能读的图片：请用 PNG、JPEG、WebP、BMP 或 GIF。",
    broken_picture="{name} 已损坏，无法读取：{reason}",
    too_many_pixels="{name} 有 {width} x {height} 像素，超过 {limit} 百万：请缩小后再添加。",
    too_long="这个问题需要 {tokens} 个词元，超过模型的 {room} 个（含回答）：请减少图片或图块，或缩短问题和回答。",
    out_of_memory="内存不够回答这个问题；对话保持原样。减少图块或图片可以省内存，按“清空”可以释放本对话占用的内存。",
    not_understood="这个问题没有被接受；对话保持原样。{reason}",
    failed="模型出错了；对话保持原样。{reason}（详情见启动本页的终端。）",
)

TEXTS = {"zh": ZH, "en": EN}


class Refused(ValueError):
    """A visitor's wish that is not carried out, with the reason in both languages; `text` gives one."""

    def __init__(self, key: str, **values: object):
        super().__init__(getattr(EN, key).format(**values))
        self.key, self.values = key, values

    def text(self, language: str) -> str:
        return getattr(TEXTS[language], self.key).format(**self.values)


def language_of(accepted: str) -> str:
    """ "zh" or "en" for a browser's Accept-Language: whichever of the two it names first, English if neither."""
    names = [name.split(";")[0].strip().lower()[:2] for name in accepted.split(",")]
    return next((name for name in names if name in TEXTS), "en")
