"""What was found in somebody's code, and what could not be asked: plain data."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from course_utils import syllabus

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
# Not one of the 47 practices, and found by the same reading: a Trainer of one package
# refuses a module of the other.
IMPORTS = "imports"


@dataclass(frozen=True)
class Finding:
    """One place in somebody's code where a practice of the course is not kept.

    Attributes:
        practice: Practice id, for example ``"4.3"``, or ``"imports"``.
        severity: ``"error"``: it stops, or its result is wrong. ``"warning"``: wrong
            under conditions that the sentence names. ``"note"``: worth a look.
        file: As the user named it, relative where that is shorter.
        line: From 1; in a notebook, of the cell; 0 if there is no line.
        column: From 1; 0 if there is no column.
        cell: Number of a notebook's code cell, from 1; 0 in other files.
        seen: What was seen, as one sentence.
        remedy: What to do, as one sentence.
        how: ``"read"``, ``"run"``, or ``"both"``: what was read also showed.
        fixable: Whether ``course check --fix`` changes it.
    """

    practice: str
    severity: Severity
    file: str
    line: int
    seen: str
    remedy: str
    column: int = 0
    cell: int = 0
    how: Literal["read", "run", "both"] = "read"
    fixable: bool = False

    @property
    def lesson(self) -> str:
        """Name of the lesson's notebook without suffix, ``""`` if there is none."""
        if self.practice == IMPORTS:
            return ""
        return syllabus.load().lesson_of(self.practice).file

    @property
    def title(self) -> str:
        """The practice in words."""
        if self.practice == IMPORTS:
            return "Import Lightning under one name"
        return syllabus.load().practice(self.practice).title

    @property
    def place(self) -> str:
        """For example ``"model.py:12"`` or ``"lab.ipynb, cell 3, line 2"``."""
        if self.cell:
            return f"{self.file}, cell {self.cell}, line {self.line}"
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Unasked:
    """A question that could not be asked of this code.

    Attributes:
        practice: Practice id; ``""`` if it concerns all of them.
        reason: As one sentence.
        file: What was asked, a file or ``package.module:Class``; may be empty.
        stopped: Whether it could not be read, or stopped when it ran, so that its
            silence says nothing.
    """

    practice: str
    reason: str
    file: str = ""
    stopped: bool = False


@dataclass
class Report:
    """All findings, all that could not be asked, and the practices found in order."""

    findings: list[Finding] = field(default_factory=list)
    unasked: list[Unasked] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # asked by running, nothing found
    ignored: int = 0  # findings that a comment of the user's answers

    @property
    def fails(self) -> bool:
        """Whether something is found that is more than a note."""
        return any(each.severity != "note" for each in self.findings)

    @property
    def stopped(self) -> bool:
        """Whether some code could not be read, or stopped when it ran."""
        return any(each.stopped for each in self.unasked)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        findings = [
            {**asdict(each), "title": each.title, "lesson": each.lesson}
            for each in in_order(self.findings)
        ]
        unasked = [asdict(each) for each in self.unasked]
        return {
            "findings": findings,
            "unasked": unasked,
            "kept": self.kept,
            "ignored": self.ignored,
        }


def practice_order(practice: str) -> tuple[int, ...]:
    """Return a key that sorts practices as the course does: 4.3 before 12.1."""
    return tuple(int(n) if n.isdigit() else -1 for n in practice.split("."))


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by file, place and practice."""
    return sorted(
        findings,
        key=lambda f: (f.file, f.cell, f.line, f.column, practice_order(f.practice)),
    )


def joined(read: Report, run: Report) -> Report:
    """Return both reports as one: what was read and showed is told where it was read.

    Reading knows the line, running that it happens.
    """
    shown = {(each.practice, each.file) for each in run.findings}
    known = {(each.practice, each.file) for each in read.findings}
    both = [
        replace(each, how="both") if (each.practice, each.file) in shown else each
        for each in read.findings
    ]
    more = [each for each in run.findings if (each.practice, each.file) not in known]
    return Report(
        both + more,
        read.unasked + run.unasked,
        read.kept + run.kept,
        read.ignored + run.ignored,
    )
