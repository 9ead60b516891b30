"""How the web page looks, with nothing fetched from elsewhere, and the one thing that the browser does by itself."""

from __future__ import annotations

import json

import gradio as gr

from course_lib.webui_pictures import Limits
from course_lib.webui_texts import TEXTS

FONTS = ("system-ui", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
THEME = gr.themes.Soft(
    primary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=("ui-monospace", "Consolas", "monospace")
)  # fonts of the visitor's machine: nothing is fetched from elsewhere
CSS = """
.gradio-container { max-width: 1400px !important; margin: 0 auto !important; padding: 12px 20px !important }
#head { align-items: center; gap: 12px }
#head h1 { font-size: 1.45rem; margin: 0 }
#head p { margin: 2px 0 0; opacity: .8 }
#notice:not(:has(p)), #refused:not(:has(p:not(:empty))) { display: none }
#notice p, #refused p { margin: 0; padding: 8px 14px; border-left: 4px solid #b45309; border-radius: 4px;
                        background: #fef3c7; color: #451a03 }
#hint p { margin: 0; font-size: .9rem; opacity: .8 }
#examples .grid-wrap { max-height: none; height: auto; min-height: 0; padding: 0 }
#examples .grid-container { gap: 8px }
#examples .thumbnail-lg { aspect-ratio: 4 / 3 }
#examples .caption-label { left: 6px; right: 6px; max-width: none; font-size: .75rem; padding: 2px 6px }
#side { gap: 10px }
#side .block { padding: 8px 12px }
.chat img { border-radius: 6px; margin: 0 4px 4px 0; display: inline-block; max-height: 150px; width: auto }
"""
# A file over the server's limit is refused before it is uploaded: Gradio itself would say nothing about it.
REFUSE_LARGE_FILES = """() => {
    const words = WORDS;
    const check = event => {
        if (!event.target.closest?.('#box')) return;
        const files = event.target.files ?? (event.dataTransfer ?? event.clipboardData)?.files ?? [];
        const large = [...files].find(file => file.size > LIMIT);
        const language = document.querySelector('#language input:checked')?.value ?? 'en';
        document.querySelector('#refused p').textContent = large ? words[language].replace('{name}', large.name) : '';
        if (!large) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        if (event.target.type === 'file') event.target.value = '';
    };
    for (const name of ['change', 'drop', 'paste', 'keydown']) document.addEventListener(name, check, true);
}"""


def script(limits: Limits) -> str:
    """What runs in the browser when the page has opened."""
    limit = str(limits.megabytes)
    words = {language: texts.file_too_large.replace("{limit}", limit) for language, texts in TEXTS.items()}
    code = REFUSE_LARGE_FILES.replace("LIMIT", str(limits.megabytes * 2**20))
    return code.replace("WORDS", json.dumps(words, ensure_ascii=False))
