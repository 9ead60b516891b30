"""Tokens as HTML: a prompt with every token in a box, learned ones marked; the likeliest next tokens with bars."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.cards import Html
from course_lib.conversation import IGNORED

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


def token_html(ids: Sequence[int], labels: Sequence[int] | None, tokenizer) -> Html:
    """Every token of a prompt in its own box, with its id as a tooltip; with `labels`, learned ones are marked ●.

    `▁` is SentencePiece's space, `⏎` a new line. The text form lists the runs and how many tokens are learned.
    """
    runs = token_runs(ids, labels, tokenizer)
    summary = f"{len(ids)} tokens"
    if labels is not None:
        learned = sum(run.count for run in runs if run.kind == "learned")
        summary += f": {len(ids) - learned} masked (dashed), {learned} learned (solid, bold, ●)"
    return Html(
        f'<figure style="margin:0"><div role="list" aria-label="{summary}" style="line-height:2.1;color:#111">'
        f'{" ".join(map(_box, runs))}</div><figcaption>{summary}</figcaption></figure>',
        " ".join(map(_text, runs)) + f"\n{summary}",
    )


def distribution_html(probabilities: Sequence[float], tokenizer, *, top: int = 8, caption: str = "") -> Html:
    """The `top` likeliest of `probabilities` `[vocabulary]` with their share in words and as a bar."""
    shares = [float(p) for p in probabilities]
    best = sorted(range(len(shares)), key=lambda token: (-shares[token], token))[:top]
    pieces = [_readable(piece) for piece in tokenizer.convert_ids_to_tokens(best)]
    rest = 1 - sum(shares[token] for token in best)
    rows = [(piece, shares[token]) for piece, token in zip(pieces, best)] + [("(all others)", max(0.0, rest))]
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(piece)}</th><td>{share:.1%}</td>'
        f'<td style="width:300px;text-align:left"><div style="width:{300 * share:.0f}px;height:0.8em;'
        f'background:#2b6cb0"></div></td></tr>'
        for piece, share in rows
    )
    return Html(
        f'<table><caption style="text-align:left">{html.escape(caption)}</caption><tbody>{cells}</tbody></table>',
        "\n".join([*[caption] * bool(caption), *(f"{piece}  {share:.1%}" for piece, share in rows)]),
    )


def _readable(piece: str) -> str:
    return {"<0x0A>": "⏎"}.get(piece, piece.replace("\n", "⏎"))


def _shown(run: TokenRun) -> str:
    return _readable(run.piece) + (f" × {run.count}" if run.count > 1 else "")


def _box(run: TokenRun) -> str:
    border, background, weight = STYLES[run.kind]
    sign = "●" if run.kind == "learned" else ""
    where = f"position {run.position}" + (f" to {run.position + run.count - 1}" if run.count > 1 else "")
    title = f"{where}, id {run.token_id}" + ("" if run.kind == "plain" else f", {run.kind}")
    return (
        f'<span role="listitem" title="{title}" style="border:{border};background:{background};font-weight:{weight};'
        f'border-radius:4px;padding:1px 4px;white-space:nowrap">{sign}{html.escape(_shown(run))}</span>'
    )


def _text(run: TokenRun) -> str:
    return ("●" if run.kind == "learned" else "") + _shown(run)
