"""What all widgets share: two forms in one output, alerts and progress that screen readers announce.

A widget shows its static HTML wherever no kernel answers (GitHub, a report, an executed copy), so no cell is ever
empty. Buttons and sliders are the browser's own: Tab, Space, Enter and the arrow keys work them.
"""

from __future__ import annotations

import html

import ipywidgets

from course_lib.cards import Html

FULL_LABEL = {"description_width": "initial"}  # the style of a control whose description must not be cut off
UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"


class Interactive:
    """A widget `box` and its `static` HTML in one output; the page shows whichever it can."""

    box: ipywidgets.Widget
    static: Html

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        live = self.box._repr_mimebundle_()
        return live | {"text/html": self.static.html, "text/plain": self.static.text}


def alert_html(problem: str) -> str:
    """What went wrong and what to do, as a box that is read out at once; `problem` is plain text."""
    return (
        '<div role="alert" style="border:2px solid #8b1a1a;background:#fdecea;color:#5c0f0f;border-radius:4px;'
        f'padding:6px 10px;margin:4px 0;white-space:pre-wrap">⚠ {html.escape(problem)}</div>'
    )


def status_html(news: str, *, unseen: bool = False) -> str:
    """Progress, as a line that is read out when the reader has a moment; `news` is plain text.

    `unseen` for what the page shows elsewhere already: only screen readers get the line.
    """
    style = f' style="{UNSEEN}"' if unseen else ""
    return f'<div role="status" aria-live="polite"{style}>{html.escape(news)}</div>'


def row(*controls: ipywidgets.Widget) -> ipywidgets.HBox:
    """Controls side by side, in as many lines as the window needs."""
    return ipywidgets.HBox(controls, layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center"))
