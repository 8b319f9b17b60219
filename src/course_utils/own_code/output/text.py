"""A report as text for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from course_utils.own_code.report import Finding, Report, in_order, practice_order

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def counted(number: int, what: str) -> str:
    """Return for example ``"1 finding"`` or ``"3 findings"``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def lines_of(finding: Finding) -> Iterator[tuple[str, str]]:
    """Yield the lines that show a finding, each with its style."""
    yield (
        f"{finding.place}: {finding.practice} {finding.severity} ({finding.how})",
        _STYLES[finding.severity],
    )
    yield f"    {finding.seen}", ""
    yield f"    → {finding.remedy}", ""
    if finding.lesson:
        yield f"    lesson {finding.lesson}: {finding.title}", "dim"


def unasked_lines(report: Report) -> Iterator[str]:
    """Yield what could not be asked, the practices of one reason together."""
    alike: dict[tuple[str, str], set[str]] = {}
    for each in report.unasked:
        alike.setdefault((each.file, each.reason), set()).add(each.practice)
    lines = []
    for (file, reason), practices in alike.items():
        ids = sorted(filter(None, practices), key=practice_order)
        where = f"{file}: " if file and file not in reason else ""
        line = f"  {', '.join(ids) + ' ' if ids else ''}{where}{reason}"
        lines.append((file, practice_order(ids[0]) if ids else (), line))
    for *_, line in sorted(lines):
        yield line


def summary(report: Report) -> str:
    """Return how much was found, in a line."""
    parts = [counted(len(report.findings), "finding")]
    fixable = sum(each.fixable for each in report.findings)
    if fixable:
        parts.append(f"{fixable} that `--fix` repairs")
    if report.kept:
        parts.append(f"{len(set(report.kept))} asked by running and kept")
    if report.ignored:
        parts.append(f"{report.ignored} ignored by a comment")
    silent = " Not everything could be read or run: see above." * report.stopped
    return ", ".join(parts) + "." + silent


def plain(report: Report) -> str:
    """Return a report as text without styles."""
    findings = in_order(report.findings)
    lines = [line for each in findings for line, _ in lines_of(each)]
    if report.unasked:
        lines += ["Could not be asked:", *unasked_lines(report)]
    return "\n".join([*lines, summary(report)])


def show(report: Report, on: "Console") -> None:
    """Print a report."""
    for finding in in_order(report.findings):
        for line, style in lines_of(finding):
            on.print(line, style=style or None, soft_wrap=True)
    if report.unasked:
        on.print("Could not be asked:")
        for line in unasked_lines(report):
            on.print(line, soft_wrap=True)
    on.print(summary(report))
