"""A report as a table in a notebook."""

import html
from dataclasses import dataclass

from course_utils.formatting import html_table
from course_utils.own_code.output.text import plain, summary, unasked_lines
from course_utils.own_code.report import Finding, Report, in_order

_HEADER = ("Practice", "Severity", "Where", "What was seen", "What to do", "Lesson")


def _row(finding: Finding) -> tuple[str, ...]:
    how = f"{finding.severity} ({finding.how})"
    practice = f"{finding.practice} {finding.title}"
    return practice, how, finding.place, finding.seen, finding.remedy, finding.lesson


@dataclass(frozen=True, repr=False)
class Shown:
    """A report that shows itself, in a notebook as a table.

    Attributes:
        report: All findings, and what could not be asked.
    """

    report: Report

    def __repr__(self) -> str:
        """Return what ``course check`` prints."""
        return plain(self.report)

    def _repr_html_(self) -> str:
        rows = [_row(each) for each in in_order(self.report.findings)]
        parts = [html_table(_HEADER, rows) if rows else ""]
        parts.append(f"<p>{html.escape(summary(self.report))}</p>")
        if lines := [*unasked_lines(self.report)]:
            items = "".join(f"<li>{html.escape(line.strip())}</li>" for line in lines)
            head = "<summary>Could not be asked</summary>"
            parts.append(f"<details>{head}<ul>{items}</ul></details>")
        return "".join(parts)
