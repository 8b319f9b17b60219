"""Rules that read and questions that run register themselves by practice id."""

import ast
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from course_utils.own_code.classes import Project
from course_utils.own_code.report import Severity
from course_utils.own_code.source import Source


@dataclass(frozen=True)
class Edit:
    """How ``--fix`` changes a node: it is replaced by an expression or a statement.

    Attributes:
        node: What is replaced.
        kind: Which of the rewritings in `fix`.
        values: What that rewriting needs.
    """

    node: ast.AST
    kind: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What a rule sees at one node.

    Attributes:
        node: Where.
        seen: One sentence.
        remedy: One sentence.
        severity: In place of the rule's own.
        edit: The safe repair, if there is one.
    """

    node: ast.AST
    seen: str
    remedy: str
    severity: Severity | None = None
    edit: Edit | None = None


Read = Callable[[Source, Project], Iterator[Seen]]


@dataclass(frozen=True)
class Rule:
    """One question that is answered by reading a file."""

    practice: str
    severity: Severity
    read: Read


@dataclass(frozen=True)
class Question:
    """One question that is answered by running a module on a few batches.

    Attributes:
        practice: Practice id.
        severity: Of what it finds.
        put: Gets the `Subject`, yields what it saw; raises `CannotCheck` with a reason
            where it does not apply.
    """

    practice: str
    severity: Severity
    put: Callable[..., Any]


RULES: list[Rule] = []
QUESTIONS: list[Question] = []


def rule(practice: str, severity: Severity = "warning") -> Callable[[Read], Read]:
    """Register a function as the rule of a practice."""

    def register(read: Read) -> Read:
        RULES.append(Rule(practice, severity, read))
        return read

    return register


def question(
    practice: str, severity: Severity = "warning"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as a question of a practice."""

    def register(put: Callable[..., Any]) -> Callable[..., Any]:
        QUESTIONS.append(Question(practice, severity, put))
        return put

    return register


def _load(package: str) -> None:
    found = importlib.import_module(f"course_utils.own_code.{package}")
    for each in pkgutil.iter_modules(found.__path__):
        importlib.import_module(f"{found.__name__}.{each.name}")


def rules() -> list[Rule]:
    """Return all rules."""
    _load("rules")
    return RULES


def questions() -> list[Question]:
    """Return all questions; the first call waits for torch."""
    _load("questions")
    return QUESTIONS


# The practices of `questions`, known without waiting for torch; a test compares them.
_RUN = ("1.1", "1.2", "2.1", "2.3", "3.1", "3.2", "4.4", "5.1", "5.3", "6.1", "6.3",
        "6.5", "7.4", "8.3", "9.3", "11.1", "11.3", "12.1", "12.3", "12.5",
        "13.2")  # fmt: skip


def run_practices() -> tuple[str, ...]:
    """Return the practices that are asked by running, in order."""
    return _RUN
