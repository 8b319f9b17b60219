"""Files of outcomes, one per line: those of one machine, and those that are published.

Every run repeats the sentences of its claims, so that a line can be read alone. That
makes the file four times as large, but hardly larger once it is compressed, as git and
a wheel do.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from course_utils import jsonl
from course_utils.authoring.evidence.tasks import Outcome, Task

NAME = "evidence.jsonl"


def append(file: Path, outcome: Outcome) -> None:
    """Add the outcome to ``file`` as one line, whole or not at all.

    Raises:
        OSError: If there is no room for it; what was in the file stays.
    """
    jsonl.append(file, outcome.to_json())


def read(file: Path, *, skip_damaged: bool = False) -> list[Outcome]:
    """Return the outcomes in ``file``, in order; none if there is no file.

    Args:
        file: What `append` or `to_text` wrote.
        skip_damaged: Let a line that broke off cost that run only.

    Raises:
        ValueError: If a line is not an outcome, unless it is to be skipped.
    """
    return jsonl.read(file, Outcome.from_json, skip_damaged=skip_damaged)


def to_text(outcomes: Iterable[Outcome]) -> str:
    """Return the content of a file that holds the outcomes."""
    entries = (outcome.to_json() for outcome in outcomes)
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in entries)


def finished(outcomes: Iterable[Outcome], tasks: Iterable[Task]) -> dict[Task, Outcome]:
    """Return the outcomes of these tasks; the last one of a task counts.

    A run that failed, other than by a claim that does not hold, is not finished.
    """
    wanted = set(tasks)
    return {
        outcome.task: outcome
        for outcome in outcomes
        if outcome.task in wanted and not outcome.failure
    }
