"""What a learner calls: `check`, `hint` and `solution`."""

import dataclasses
import html
import importlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import torch
from IPython.display import display
from torch import nn

from course_utils import environment, progress, syllabus
from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import (
    CannotCheck,
    LearnerError,
    in_words,
    is_learners,
    place_in_learners_code,
)
from course_utils.checks.time_limit import TimeLimitReached, time_limit
from course_utils.exercises import cells, older_version
from course_utils.exercises.exercise import Exercise, is_untouched
from course_utils.experiments import preserve_global_state

Status = Literal["correct", "incorrect", "not attempted", "cannot be checked"]
# A sign, and a colour on which white text is readable, whatever the page's theme.
_LOOKS: dict[Status, tuple[str, str]] = {
    "correct": ("✓", "#1a7f37"),
    "incorrect": ("✗", "#b3261e"),
    "not attempted": ("○", "#59636e"),
    "cannot be checked": ("?", "#7a5200"),
}

_hints_given: Counter[str] = Counter()


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """What the examination of an answer found; shows itself with sign and colour.

    Attributes:
        practice: Practice id.
        status: The verdict.
        message: The next step, or the reason why nothing can be said.
    """

    practice: str
    status: Status
    message: str

    @property
    def headline(self) -> str:
        """Sign, practice and verdict, for example ``"✓ 12.1 correct."``."""
        return f"{_LOOKS[self.status][0]} {self.practice} {self.status}."

    def __str__(self) -> str:
        """One or two sentences, for example ``✓ 12.1 correct. ...``."""
        return f"{self.headline} {self.message}".rstrip()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        message = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(self.message))
        badge = "color:#ffffff;border-radius:3px;padding:1px 6px"
        return (
            '<div style="white-space:pre-wrap">'
            f'<strong style="background-color:{_LOOKS[self.status][1]};{badge}">'
            f"{self.headline}</strong> {message}</div>"
        )


def find(practice: str | float) -> Exercise:
    """Return the exercise of a practice.

    Args:
        practice: Practice id, ``"12.1"``, also as a number or with blanks around it.

    Raises:
        ValueError: If there is no such practice, it has no exercise yet, or the
            record of all exercises is damaged.
    """
    lesson = syllabus.load().lesson_of(practice)
    if not lesson.ready:
        raise ValueError(f"Practice {practice} has no exercise yet.")
    cells.load()  # whatever is wrong with it shows here, in one sentence
    module = importlib.import_module(f"{__package__}.lesson_{lesson.id}.exercises")
    id_ = syllabus.load().practice(practice).id
    return next(each for each in module.EXERCISES if each.practice == id_)


def _find_or_print(practice: str | float) -> Exercise | None:
    """Return the exercise of a practice, or print why there is none."""
    try:
        return find(practice)
    except ValueError as error:
        print(error)
        return None


def _first_fault(findings: Iterator[Finding]) -> Finding | None:
    return next((finding for finding in findings if finding.ok is not True), None)


def _unforeseen(error: BaseException) -> tuple[Status, str]:
    if isinstance(error, SystemExit):
        return "incorrect", "Your code left Python with `exit`; return instead."
    owner = getattr(error, "obj", None)  # whose attribute is missing
    if isinstance(owner, nn.Module) and "_modules" not in vars(owner):
        return "incorrect", "Your `__init__` has to call `super().__init__()` first."
    if place_in_learners_code(error):
        return "incorrect", f"Your code raised {in_words(error)}."
    return "cannot be checked", (
        f"The checker itself failed with {in_words(error)}. This is a fault of the "
        "course; please report it."
    )


def _verdict(exercise: Exercise, answer: Any) -> tuple[Status, str]:
    try:
        with preserve_global_state(), time_limit(exercise.seconds):
            environment.isolate()
            # On a busy machine threads wait for each other, for longer than they save.
            torch.set_num_threads(1)
            fault = _first_fault(exercise.examine(answer))
    except LearnerError as error:
        return "incorrect", str(error)
    except CannotCheck as error:
        return "cannot be checked", str(error)
    except TimeLimitReached:
        return "incorrect", (
            f"Your code was still running after {exercise.seconds:.0f} seconds; "
            "look for a loop that does not end, or check again on a less busy machine."
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return _unforeseen(error)
    if fault is None:
        return "correct", exercise.reason
    status: Status = "incorrect" if fault.ok is False else "cannot be checked"
    return status, f"{fault.seen} {fault.remedy}".rstrip()


def judge(exercise: Exercise, answer: Any) -> CheckResult:
    """Examine an answer; whatever it does, the result is a verdict, not an error."""
    if answer is None or is_untouched(answer, exercise.starter):
        status, message = "not attempted", "Change the cell above, run it, then check."
        return CheckResult(exercise.practice, status, message)
    before = set(threading.enumerate())
    status, message = _verdict(exercise, answer)
    if any(map(_runs_learners_code, set(threading.enumerate()) - before)):
        message += " A thread that your code started still runs; restart the kernel."
    return CheckResult(exercise.practice, status, message)


def _runs_learners_code(thread: threading.Thread) -> bool:
    runs = getattr(thread, "_target", None) or type(thread).run
    code = getattr(runs, "__code__", None)  # what is written in C has none
    return code is not None and is_learners(code.co_filename)


def check(practice: str | float, answer: Any) -> None:
    """Show whether ``answer`` solves the exercise, with the next step if it does not.

    Args:
        practice: Practice id, for example ``"12.1"``.
        answer: The class or function that the exercise asks for, not a call of it.
    """
    if exercise := _find_or_print(practice):
        result = judge(exercise, answer)
        if result.status != "not attempted":
            progress.record("exercise", exercise.practice, result.status)
        message = f"{result.message} {older_version.describe(answer)}".strip()
        display(dataclasses.replace(result, message=message))


def hint(practice: str | float) -> None:
    """Print the next of three hints, from a nudge to nearly the answer."""
    if exercise := _find_or_print(practice):
        given = min(_hints_given[exercise.practice], len(exercise.hints) - 1)
        _hints_given[exercise.practice] += 1
        print(f"Hint {given + 1} of {len(exercise.hints)}. {exercise.hints[given]}")


def solution(practice: str | float) -> None:
    """Print a solution and why it is right."""
    if exercise := _find_or_print(practice):
        print(f"{exercise.solution.strip()}\n\n{exercise.reason}")
