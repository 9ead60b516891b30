"""Tokens as HTML: a prompt with every token in a box, learned ones marked; the likeliest next tokens with bars."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from course_lib.cards import Html
from course_lib.conversation import IGNORED, IMAGE_TOKEN, TURN_END, TURN_START

STYLES = {  # border, weight and a sign tell the kinds apart; colour only repeats it
    "learned": ("2px solid #0b6b3a", "#e3f5ea", "700"),
    "masked": ("1px dashed #777", "#f4f4f4", "400"),
    "plain": ("1px solid #777", "#f4f4f4", "400"),
}


@dataclass(frozen=True)
class TokenRun:
    """A token, or a run of equal special tokens (256 `<IMG_CONTEXT>` in a row), with its place in the sequence."""

    position: int
    token_id: int
    piece: str
    count: int
    kind: str  # "learned" | "masked" | "plain" (no labels given)


def token_runs(ids: Sequence[int], labels: Sequence[int] | None, tokenizer) -> list[TokenRun]:
    """Group `ids` into runs; a label that is neither -100 nor the token itself raises ValueError."""
    ids = [int(i) for i in ids]
    if labels is not None and len(labels) != len(ids):
        raise ValueError(f"{len(labels)} labels for {len(ids)} tokens: there must be one label per token")
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    pieces = tokenizer.convert_ids_to_tokens(ids)
    runs: list[TokenRun] = []
    for position, (token, piece) in enumerate(zip(ids, pieces)):
        label = None if labels is None else int(labels[position])
        if label not in (None, IGNORED, token):
            raise ValueError(f"position {position}: label {label} is neither {IGNORED} nor the token's own id {token}")
        kind = "plain" if label is None else "masked" if label == IGNORED else "learned"
        last = runs[-1] if runs else None
        if last and token in special and (last.token_id, last.kind) == (token, kind):
            runs[-1] = TokenRun(last.position, token, piece, last.count + 1, kind)
        else:
            runs.append(TokenRun(position, token, piece, 1, kind))
    return runs


def token_parts(ids: Sequence[int], tokenizer) -> dict[str, int]:
    """How many tokens each part of a prompt takes: system, visual, question, answer, template; their sum is all."""
    turn_start, turn_end, visual = tokenizer.convert_tokens_to_ids([TURN_START, TURN_END, IMAGE_TOKEN])
    control = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    parts = dict.fromkeys(("system", "visual", "question", "answer", "template"), 0)
    names = {"system": "system", "user": "question", "assistant": "answer"}
    role, head = "template", None  # `head`: the role's name as far as it was read, None outside of it
    for token in map(int, ids):
        part = role
        if token == turn_start:
            part, head = "template", ""
        elif head is not None:  # the role's name and its newline belong to the template
            part, head = "template", head + tokenizer.decode([token])
            if "\n" in head:
                role, head = names[head.split("\n")[0].strip()], None
        elif token == turn_end:
            part = role = "template"
        elif token == visual:
            part = "visual"
        elif token in control:
            part = "template"
        parts[part] += 1
    return parts


def token_html(ids: Sequence[int], labels: Sequence[int] | None, tokenizer, *, show_ids: bool = False) -> Html:
    """Every token of a prompt in its own box, its id in a tooltip or (`show_ids`) beside it; learned ones have a ●.

    `▁` is SentencePiece's space, `⏎` a new line. The text form lists the runs and how many tokens are learned.
    """
    runs = token_runs(ids, labels, tokenizer)
    summary = f"{len(ids)} tokens"
    if labels is not None:
        learned = sum(run.count for run in runs if run.kind == "learned")
        summary += f": {len(ids) - learned} masked (dashed), {learned} learned (solid, bold, ●)"
    return Html(
        f'<figure style="margin:0"><div role="list" aria-label="{summary}" style="line-height:2.1;color:#111">'
        f'{" ".join(_box(run, show_ids) for run in runs)}</div><figcaption>{summary}</figcaption></figure>',
        " ".join(_text(run, show_ids) for run in runs) + f"\n{summary}",
    )


def distribution_html(
    probabilities: Sequence[float], tokenizer, *, top: int = 8, caption: str = "",
    tokens: Sequence[int] | None = None, counts: Mapping[int, int] | None = None,
) -> Html:
    """The `top` likeliest of `probabilities` `[vocabulary]`, or `tokens`, with their share in words and as a bar.

    `counts` says how often each token id was drawn: one column more.
    """
    shares = [float(p) for p in probabilities]
    best = tokens or sorted(range(len(shares)), key=lambda token: (-shares[token], token))[:top]
    pieces = [_readable(piece) for piece in tokenizer.convert_ids_to_tokens(best)]
    rows = [(piece, shares[token], (counts or {}).get(token, 0)) for piece, token in zip(pieces, best)]
    listed = set(best)
    rest = sum(share for token, share in enumerate(shares) if token not in listed)
    rows.append(("(all others)", rest, sum((counts or {}).values()) - sum(drawn for *_, drawn in rows)))
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left;white-space:nowrap">{html.escape(piece)}</th>'
        f'<td style="white-space:nowrap">{_percent(share)}</td>'
        + (f"<td>{drawn}</td>" if counts is not None else "")
        + f'<td style="width:300px;text-align:left"><div style="width:{300 * share:.0f}px;height:0.8em;'
        f'background:#2b6cb0"></div></td></tr>'
        for piece, share, drawn in rows
    )
    head = ("token", "probability", *["drawn"] * (counts is not None), "")
    heads = "".join(f'<th scope="col" style="text-align:left">{name}</th>' if name else "<td></td>" for name in head)
    return Html(
        f'<table><caption style="text-align:left;white-space:nowrap">{html.escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>",
        "\n".join([
            *[caption] * bool(caption),
            *(f"{piece}  {_percent(share)}" + (f"  drawn {drawn}" if counts is not None else "")
              for piece, share, drawn in rows),
        ]),
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{share:.1%}" if share else "0 (never drawn)"


def _readable(piece: str) -> str:
    return {"<0x0A>": "⏎"}.get(piece, piece.replace("\n", "⏎"))


def _shown(run: TokenRun) -> str:
    return _readable(run.piece) + (f" × {run.count}" if run.count > 1 else "")


def _box(run: TokenRun, show_id: bool) -> str:
    border, background, weight = STYLES[run.kind]
    sign = "●" if run.kind == "learned" else ""
    where = f"position {run.position}" + (f" to {run.position + run.count - 1}" if run.count > 1 else "")
    title = f"{where}, id {run.token_id}" + ("" if run.kind == "plain" else f", {run.kind}")
    return (
        f'<span role="listitem" title="{title}" style="border:{border};background:{background};font-weight:{weight};'
        f'border-radius:4px;padding:1px 4px;white-space:nowrap">{sign}{html.escape(_shown(run))}'
        + (f"<small> {run.token_id}</small>" if show_id else "") + "</span>"
    )


def _text(run: TokenRun, show_id: bool) -> str:
    return ("●" if run.kind == "learned" else "") + _shown(run) + (f"[{run.token_id}]" if show_id else "")
