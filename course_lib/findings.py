"""What the doctor found: rows, their table as text and in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass

MARKS = {"ok": "ok", "note": "note", "problem": "MEND"}


@dataclass(frozen=True)
class Finding:
    """One row: what was looked at, what was found, and for a problem the one command that mends it."""

    what: str
    found: str
    status: str = "ok"  # ok | note | problem
    why: str = ""
    mend: str = ""


@dataclass(frozen=True)
class Report:
    """All findings; prints as a table, and shows as one in a notebook."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.status == "problem")

    def __str__(self) -> str:
        width = max(len(finding.what) for finding in self.findings)
        lines = []
        for finding in self.findings:
            lines.append(f"{MARKS[finding.status]:<5} {finding.what:<{width}}  {finding.found}")
            lines += [
                f"{'':<5} {'':<{width}}  {text}" for text in (finding.why, finding.mend and f"$ {finding.mend}") if text
            ]
        return "\n".join([*lines, "", self.verdict()])

    def verdict(self) -> str:
        """One sentence: ready, or how many things to mend."""
        if not self.problems:
            return "Ready."
        return f"{len(self.problems)} to mend: run the command under each, then ask again."

    def _repr_html_(self) -> str:
        colours = {"ok": "#1a7f37", "note": "#9a6700", "problem": "#cf222e"}
        rows = []
        for finding in self.findings:
            detail = html.escape(finding.found)
            detail += f"<br><small>{html.escape(finding.why)}</small>" if finding.why else ""
            detail += f"<br><code>{html.escape(finding.mend)}</code>" if finding.mend else ""
            rows.append(
                f'<tr><td style="color:{colours[finding.status]};font-weight:600">{MARKS[finding.status]}</td>'
                f'<td style="text-align:left">{html.escape(finding.what)}</td>'
                f'<td style="text-align:left">{detail}</td></tr>'
            )
        head = "<tr><th></th><th style='text-align:left'>looked at</th><th style='text-align:left'>found</th></tr>"
        return f"<table>{head}{''.join(rows)}</table><p>{html.escape(self.verdict())}</p>"
