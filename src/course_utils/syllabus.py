"""The table of lessons and practices, read from ``syllabus.toml``."""

import difflib
import functools
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Practice:
    """One experiment of a lesson.

    Attributes:
        id: Section and position, for example ``"12.1"``.
        title: The practice as a short imperative.
        options: Letters to predict from, empty until the practice is written.
        answer: The letter that the experiment proves right.
        exercise: Title of its exercise.
        difficulty: Of the exercise, 1 (a line) to 3 (think first).
        minutes: Of the exercise.
        checked: How ``course check`` asks it of other code: ``"read"``, ``"run"``,
            ``"both"``, or ``"person"``: it does not.
        checked_why: Why only a person can, as half a sentence.
    """

    id: str
    title: str
    options: tuple[str, ...] = ()
    answer: str = ""
    exercise: str = ""
    difficulty: int = 1
    minutes: int = 0
    checked: str = ""
    checked_why: str = ""


@dataclass(frozen=True)
class Lesson:
    """One notebook and its solution.

    Attributes:
        id: Two digits, for example ``"12"``.
        file: Name of notebook and solution without suffix.
        title: Subject in a few words.
        promise: What a learner can do afterwards.
        teaching_minutes: Reading and running.
        exercise_minutes: All exercises of the lesson.
        practices: Its experiments, in order.
        seconds: Limit of the notebook's run time on 2 cores without a GPU; 0 while
            planned.
        solution_seconds: The same for the solution notebook.
        megabytes: Limit of the kernel's peak memory, for either notebook.
        cores: Cores to reserve for its measurements; 2 if it compares times.
    """

    id: str
    file: str
    title: str
    promise: str
    teaching_minutes: int
    exercise_minutes: int
    practices: tuple[Practice, ...]
    seconds: float = 0.0
    solution_seconds: float = 0.0
    megabytes: float = 0.0
    cores: int = 1

    @property
    def ready(self) -> bool:
        """Whether the lesson is written; a planned one has no budget yet."""
        return self.seconds > 0


@dataclass(frozen=True)
class Syllabus:
    """All lessons, in order."""

    lessons: tuple[Lesson, ...]

    @property
    def ready(self) -> tuple[Lesson, ...]:
        """The lessons that are written."""
        return tuple(lesson for lesson in self.lessons if lesson.ready)

    def lesson(self, name: str) -> Lesson:
        """Return the lesson called ``name``, for example 12 or ``12_common_pitfalls``.

        Raises:
            ValueError: If there is no such lesson.
        """
        key = str(name).removesuffix(".ipynb").removesuffix(".py")
        for lesson in self.lessons:
            if key in (lesson.id, str(int(lesson.id)), lesson.file):
                return lesson
        known = [lesson.id for lesson in self.lessons]
        raise ValueError(_unknown("lesson", key, known))

    def practice(self, practice_id: str | float) -> Practice:
        """Return the practice with this id, ``"12.1"`` or the number 12.1.

        Raises:
            ValueError: If there is no such practice.
        """
        practices = {p.id: p for lesson in self.lessons for p in lesson.practices}
        key = str(practice_id).strip()
        if key not in practices:
            raise ValueError(_unknown("practice", key, practices))
        return practices[key]

    def lesson_of(self, practice_id: str | float) -> Lesson:
        """Return the lesson that holds this practice.

        Raises:
            ValueError: If there is no such practice.
        """
        practice = self.practice(practice_id)
        return next(each for each in self.lessons if practice in each.practices)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"Expected a {what} from {names[0]} to {names[-1]} but got {name!r}.{hint}"


def _lesson(entry: dict[str, Any]) -> Lesson:
    practices = tuple(
        Practice(**{**p, "options": tuple(p.get("options", ()))})
        for p in entry["practices"]
    )
    return Lesson(**{**entry, "practices": practices})


@functools.cache
def load() -> Syllabus:
    """Return the course's syllabus."""
    text = resources.files("course_utils").joinpath("syllabus.toml").read_text("utf-8")
    return Syllabus(tuple(_lesson(entry) for entry in tomllib.loads(text)["lessons"]))
