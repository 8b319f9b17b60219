"""What an instructor says in each lesson, read from ``notes.toml``."""

import functools
import sys
from dataclasses import dataclass, field
from importlib import resources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Tempting:
    """The wrong option of a prediction that sounds right.

    Attributes:
        sounds: Its letter.
        because: How somebody would argue for it.
        turn: What undoes the argument.
    """

    sounds: str
    because: str
    turn: str


@dataclass(frozen=True)
class LessonNotes:
    """What to say in one lesson.

    Attributes:
        ask: What to ask, and before which cell.
        cut: What to leave out first.
        close: The question to end with.
        answer: What a good answer to it holds.
        practices: By practice id, the option that sounds right.
    """

    ask: str
    cut: str
    close: str
    answer: str
    practices: dict[str, Tempting] = field(default_factory=dict)


@dataclass(frozen=True)
class Notes:
    """All notes.

    Attributes:
        order: Lesson ids, those that a class keeps when time is short first.
        lessons: By lesson id.
    """

    order: tuple[str, ...]
    lessons: dict[str, LessonNotes]


@functools.cache
def load() -> Notes:
    """Return the course's notes for instructors."""
    found = tomllib.loads(
        resources.files(__package__).joinpath("notes.toml").read_text("utf-8")
    )
    lessons = {
        lesson: LessonNotes(
            **{
                **entry,
                "practices": {
                    practice: Tempting(**each)
                    for practice, each in entry.get("practices", {}).items()
                },
            }
        )
        for lesson, entry in found["lessons"].items()
    }
    return Notes(tuple(found["order"]), lessons)
