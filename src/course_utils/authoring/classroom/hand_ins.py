"""Add up the progress files that learners hand in; no names are needed or kept."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils import progress, syllabus

Events = list[dict[str, Any]]
# From so many events on, two equal files are one file twice, not two learners who
# predicted and solved alike.
SURELY_THE_SAME = 10


@dataclass(frozen=True)
class PracticeSummary:
    """What a class did in one practice.

    Attributes:
        practice: Practice id.
        predicted: Learners who predicted.
        right: Those whose first prediction was right.
        tried: Learners who had an answer checked.
        solved: Those whose answer was ever correct.
        tries: Answers checked by each who tried, up to the first correct one.
    """

    practice: str
    predicted: int
    right: int
    tried: int
    solved: int
    tries: float


def _files(paths: Iterable[Path]) -> list[Path]:
    """Return the files, each once; a folder stands for its ``.jsonl`` files."""
    every: list[Path] = []
    for path in paths:
        every += sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    return list({path.resolve(): path for path in every}.values())


def _of_this_course(events: Events) -> Events:
    known = {each.id for le in syllabus.load().lessons for each in le.practices}
    return [each for each in events if each["practice"] in known | {progress.OWN_CODE}]


def read(paths: Iterable[Path]) -> tuple[list[Events], list[str]]:
    """Return the events of each learner, and one sentence on each file with a fault.

    Args:
        paths: Progress files, or folders that hold some.
    """
    found: dict[Path, Events] = {}
    faults: list[str] = []
    for path in _files(paths):
        if not path.exists():
            faults.append(f"{path} does not exist.")
            continue
        events, problem = progress.read(path)
        events = _of_this_course(events)
        if not events:
            faults.append(f"{path} holds no progress in this course; it is left out.")
            continue
        twin = next((other for other, same in found.items() if same == events), None)
        if twin and len(events) >= SURELY_THE_SAME:
            faults.append(f"{path} and {twin} are equal; they count as one learner.")
            continue
        if problem:
            faults.append(problem)
        found[path] = events
    return list(found.values()), faults


def _tries(events: Events, practice: str) -> int:
    """Return how many answers were checked, up to the first correct one."""
    outcomes = [
        event["outcome"]
        for event in events
        if (event["event"], event["practice"]) == ("exercise", practice)
    ]
    first = outcomes.index("correct") + 1 if "correct" in outcomes else len(outcomes)
    return len(outcomes[:first])


def summary(learners: Sequence[Events]) -> Iterator[PracticeSummary]:
    """Yield a row for every practice in which anybody did something."""
    states = [progress.add_up(events) for events in learners]
    for lesson in syllabus.load().lessons:
        for practice in (each.id for each in lesson.practices):
            predicted = [state.predictions.get(practice) for state in states]
            first = [right for right in predicted if right is not None]
            tries = [n for each in learners if (n := _tries(each, practice))]
            if not first and not tries:
                continue
            solved = sum(state.solved(practice) for state in states)
            mean = sum(tries) / len(tries) if tries else 0.0
            yield PracticeSummary(
                practice, len(first), sum(first), len(tries), solved, mean
            )


def repaired(learners: Sequence[Events]) -> list[int]:
    """Return how much of the capstone's script each learner repaired who began it."""
    states = (progress.add_up(events) for events in learners)
    return sorted(len(state.repairs) for state in states if state.repairs)


def own_code(learners: Sequence[Events]) -> tuple[int, int]:
    """Return how many checked the script of lesson 15, and how many mended it."""
    outcomes = [
        progress.add_up(events).exercises.get(progress.OWN_CODE) for events in learners
    ]
    return len([*filter(None, outcomes)]), outcomes.count("correct")
