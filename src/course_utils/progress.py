"""What this learner has predicted and solved: a file of events on this machine.

One line of JSON an event, appended in one write. So two kernels can write at once, and
a damaged line costs that line only. Nothing ever leaves the machine.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

_WORST_TO_BEST = ("not attempted", "cannot be checked", "incorrect", "correct")


@dataclass(frozen=True)
class Progress:
    """The state that the events add up to.

    Attributes:
        predictions: Practice id to whether the *first* prediction was right.
        exercises: Practice id to the best outcome so far of its exercise.
        repairs: Practices that were ever repaired in the capstone's script.
    """

    predictions: dict[str, bool]
    exercises: dict[str, str]
    repairs: set[str] = field(default_factory=set)

    @property
    def predicted_right(self) -> int:
        """Number of practices whose first prediction was right."""
        return sum(self.predictions.values())

    def solved(self, practice: str) -> bool:
        """Whether the exercise of this practice was ever correct."""
        return self.exercises.get(practice) == "correct"


def file() -> Path | None:
    """Return where events are kept; ``None`` if ``COURSE_PROGRESS_FILE`` is empty.

    ``COURSE_PROGRESS_FILE`` names the file; unset, it lies in the user's data folder.
    """
    name = os.environ.get("COURSE_PROGRESS_FILE")
    if name is None:
        return Path(platformdirs.user_data_dir("lightning-course"), "progress.jsonl")
    return Path(name) if name else None


def _append(path: Path, event: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as events:  # one write: two kernels do not mix
        torn = False
        if events.seek(0, os.SEEK_END):
            events.seek(-1, os.SEEK_END)
            torn = events.read(1) != b"\n"
        line = json.dumps(event, ensure_ascii=False) + "\n"
        events.write((("\n" if torn else "") + line).encode())


def record(event: str, practice: str, outcome: str | bool) -> None:
    """Append an event; a file that cannot be written costs one printed sentence.

    Args:
        event: ``"prediction"``, ``"exercise"`` or ``"repair"``.
        practice: Practice id.
        outcome: For a prediction whether it was right, for an exercise its status,
            for a repair True.
    """
    path = file()
    if path is None:
        return
    try:
        _append(path, {"event": event, "practice": practice, "outcome": outcome})
    except OSError as error:
        print(
            f"Your progress was not saved: {error.strerror or error}. The lesson goes "
            "on; set COURSE_PROGRESS_FILE to a file you may write."
        )


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text("utf-8", errors="replace").split("\n")
    except OSError:
        return []
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):  # garbage, also deeply nested garbage
            continue
        if isinstance(event, dict) and {"event", "practice", "outcome"} <= event.keys():
            events.append(event)
    return events


def load() -> Progress:
    """Return the learner's progress; lines that cannot be read are left out."""
    path = file()
    progress = Progress({}, {})
    for event in _events(path) if path else []:
        practice, outcome = str(event["practice"]), event["outcome"]
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
