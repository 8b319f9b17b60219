"""What this learner has predicted and solved, kept in a file on this machine.

One line of JSON per event. Two kernels can write at once, and of a damaged file only
the damaged lines are lost. Nothing ever leaves the machine.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from course_utils import jsonl, shipped_records

FIELDS = {"event", "practice", "outcome"}
OWN_CODE = "15"  # the lesson whose one exercise counts under its id
_WORST_TO_BEST = ("not attempted", "cannot be checked", "incorrect", "correct")


@dataclass(frozen=True)
class Progress:
    """The state that the events add up to.

    Attributes:
        predictions: Practice id to whether the *first* prediction was right.
        exercises: Practice id, or that of lesson 15, to the best outcome so far.
        repairs: Practices that were ever repaired in the capstone's script.
        problem: What could not be read, in one sentence, or ``""``.
    """

    predictions: dict[str, bool]
    exercises: dict[str, str]
    repairs: set[str] = field(default_factory=set)
    problem: str = field(default="", compare=False)

    def solved(self, practice: str) -> bool:
        """Whether the exercise of this practice was ever correct."""
        return self.exercises.get(practice) == "correct"


def file() -> Path | None:
    """Return the file of events; ``None`` if ``COURSE_PROGRESS_FILE`` is empty.

    ``COURSE_PROGRESS_FILE`` names it; by default it is in the user's data folder.
    """
    name = os.environ.get("COURSE_PROGRESS_FILE")
    if name is None:
        return Path(platformdirs.user_data_dir("lightning-course"), "progress.jsonl")
    return Path(name) if name else None


def record(event: str, practice: str, outcome: str | bool) -> None:
    """Append an event; if the file cannot be written, print one sentence.

    Args:
        event: ``"prediction"``, ``"exercise"`` or ``"repair"``.
        practice: Practice id, or `OWN_CODE`.
        outcome: For a prediction whether it was right, for an exercise its status,
            for a repair True.
    """
    path = file()
    if path is None:
        return
    try:
        jsonl.append(path, {"event": event, "practice": practice, "outcome": outcome})
    except OSError as error:
        print(
            f"Your progress was not saved: {error.strerror or error}. The lesson "
            "continues; set COURSE_PROGRESS_FILE to a file you may write."
        )


def _parse_event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):  # garbage, also deeply nested garbage
        return None
    if not isinstance(event, dict) or not event.keys() >= FIELDS:
        return None
    return {**event, "practice": str(event["practice"])}


def _describe_damage(text: str, damaged: int, path: Path) -> str:
    if not damaged:
        return ""
    lines = "1 damaged line" if damaged == 1 else f"{damaged} damaged lines"
    remedy = "delete git's marks; the events between them count"
    if found := shipped_records.conflict(text, remedy):
        return f"The progress in {path} {found}."
    return f"{lines} of {path} cannot be read; all others count."


def read(path: Path) -> tuple[list[dict[str, Any]], str]:
    """Return the events in a file, and what could not be read in one sentence."""
    try:
        # A Windows editor may have put a byte order mark before the first line.
        text = path.read_text("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        reason = error.strerror or error
        return [], f"The progress in {path} cannot be read: {reason}."
    lines = [line for line in text.split("\n") if line.strip()]
    events = [event for event in map(_parse_event, lines) if event is not None]
    return events, _describe_damage(text, len(lines) - len(events), path)


def add_up(events: Iterable[dict[str, Any]], problem: str = "") -> Progress:
    """Return the state that events add up to.

    Args:
        events: In the order in which they happened.
        problem: What could not be read.
    """
    progress = Progress({}, {}, problem=problem)
    for event in events:
        practice, outcome = event["practice"], event["outcome"]
        if event["event"] == "prediction":
            progress.predictions.setdefault(practice, outcome is True)
        elif event["event"] == "repair" and outcome is True:
            progress.repairs.add(practice)
        elif event["event"] == "exercise" and outcome in _WORST_TO_BEST:
            so_far = progress.exercises.get(practice, _WORST_TO_BEST[0])
            progress.exercises[practice] = max(
                so_far, outcome, key=_WORST_TO_BEST.index
            )
    return progress


def load() -> Progress:
    """Return the learner's progress; unreadable lines are ignored."""
    path = file()
    return add_up(*read(path)) if path else Progress({}, {})
