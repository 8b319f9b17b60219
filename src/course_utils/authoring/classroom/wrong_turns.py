"""Wrong turns of an exercise: what its checker says, and which answers get to hear it.

They are the wrong answers in the tests, each of which is judged there and has to get
its message. So what an instructor reads is what a learner will see.
"""

import functools
import runpy
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from course_utils.authoring.classroom.sections import ROOT
from course_utils.syllabus import Lesson

TESTS = ROOT / "tests"
SHOWN = 4
_UNTOUCHED = ("renamed", "cosmetic")  # no turn at all: the starter in other words


@dataclass(frozen=True)
class WrongTurn:
    """One message of a checker.

    Attributes:
        message: Its words, or the part of them that a test compares.
        answers: What those who get it did, in a few words each.
    """

    message: str
    answers: tuple[str, ...]

    def __str__(self) -> str:
        """The message, with dots where the checker says more."""
        before = "" if self.message[0].isupper() else "…"
        return f"{before}{self.message}{'' if self.message.endswith('.') else '…'}"


def _cases(tests: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return practice, name and message of each wrong answer in a module of tests."""
    marks = tests["test_a_wrong_answer_is_told_its_mistake"].pytestmark
    [mark] = [each for each in marks if each.name == "parametrize"]
    _, cases = mark.args
    names = mark.kwargs.get("ids")
    found = []
    for case, name in zip(cases, names or [each.id for each in cases], strict=True):
        practice, _, message = getattr(case, "values", case)
        found.append((practice, name.removeprefix(f"{practice} "), message))
    return found


def _run(lesson: Lesson) -> dict[str, Any]:
    path = TESTS / "exercises" / f"lesson_{lesson.id}" / "test_exercises.py"
    sys.path.insert(0, str(TESTS))  # where tests find the helpers that they share
    try:
        return runpy.run_path(str(path))
    finally:
        sys.path.remove(str(TESTS))


def _merged(by_message: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the same with the beginning of a longer message counted as that one."""
    merged: dict[str, list[str]] = {}
    for message in sorted(by_message, key=len, reverse=True):
        whole = next((each for each in merged if each.startswith(message)), message)
        merged.setdefault(whole, []).extend(by_message[message])
    return merged


def _commonest(by_message: dict[str, list[str]]) -> Iterator[WrongTurn]:
    def place(pair: tuple[str, list[str]]) -> tuple[int, bool]:
        whole = pair[0][0].isupper() and pair[0].endswith(".")
        return -len(pair[1]), not whole

    for message, names in sorted(by_message.items(), key=place)[:SHOWN]:
        yield WrongTurn(message, tuple(names))


@functools.cache
def wrong_turns(lesson: Lesson) -> dict[str, list[WrongTurn]]:
    """Return by practice the messages that most wrong answers get, the commonest first.

    At most `SHOWN` for each; none for a lesson without practices.
    """
    if not lesson.practices:
        return {}
    answers: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for practice, name, message in _cases(_run(lesson)):
        if not any(word in name for word in _UNTOUCHED):
            answers[practice][" ".join(message.split())].append(name)
    return {each: list(_commonest(_merged(a))) for each, a in answers.items()}
