"""A timetable for a class: lessons, breaks and lunch, never past the end of a day."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from course_utils.authoring.classroom import notes
from course_utils.syllabus import Lesson

WORK = 90  # minutes without a break
NOON = 12 * 60
RESTS = ("break", "lunch")


@dataclass(frozen=True)
class Hours:
    """When a day of a class begins and ends.

    Attributes:
        start: Minutes after midnight.
        end: The same; nothing ends later.
        pause: Minutes of a break.
        lunch: Minutes of the lunch break of a day that begins before noon; 0 for none.
    """

    start: int = 9 * 60
    end: int = 17 * 60
    pause: int = 15
    lunch: int = 60

    @classmethod
    def half(cls, start: int = 9 * 60, pause: int = 15) -> "Hours":
        """Return four hours without lunch."""
        return cls(start, start + 4 * 60, pause, lunch=0)


@dataclass(frozen=True)
class Slot:
    """One line of a timetable.

    Attributes:
        start: Minutes after midnight.
        minutes: Duration.
        what: ``"break"``, ``"lunch"``, ``"end"``, or a lesson such as ``"12 Common
            pitfalls"``.
        part: ``"experiments"``, ``"exercises"`` or ``""``.
    """

    start: int
    minutes: int
    what: str
    part: str = ""

    @property
    def end(self) -> int:
        """Minutes after midnight."""
        return self.start + self.minutes

    @property
    def clock(self) -> str:
        """Its start as hours and minutes."""
        return f"{self.start // 60:02}:{self.start % 60:02}"


Day = list[Slot]


def _worked(day: Day) -> int:
    """Return the minutes since the last break."""
    total = 0
    for slot in reversed(day):
        if slot.what in RESTS:
            break
        total += slot.minutes
    return total


def _rest(day: Day, minutes: int, hours: Hours) -> Slot | None:
    """Return the break that is due before a part of so many minutes, if one is."""
    if not day:
        return None
    now = day[-1].end
    tired = _worked(day) + minutes > WORK
    hungry = hours.start < NOON and all(slot.what != "lunch" for slot in day)
    if hours.lunch and hungry and (now >= NOON or (tired and now >= NOON - 30)):
        return Slot(now, hours.lunch, "lunch")
    return Slot(now, hours.pause, "break") if tired and hours.pause else None


def _with(day: Day, lesson: Lesson, hours: Hours) -> Day:
    """Return the day with one lesson more, however late that gets."""
    day = list(day)
    name = f"{lesson.id} {lesson.title}"
    parts = {
        "experiments": lesson.teaching_minutes,
        "exercises": lesson.exercise_minutes,
    }
    for part, minutes in parts.items():
        if rest := _rest(day, minutes, hours):
            day.append(rest)
        now = day[-1].end if day else hours.start
        day.append(Slot(now, minutes, name, part))
    return day


def days(lessons: Iterable[Lesson], hours: Hours) -> list[Day]:
    """Return the lessons in the order given, on as many days as they need.

    Raises:
        ValueError: If one of them is longer than a day.
    """
    plan: list[Day] = []
    for lesson in lessons:
        same_day = _with(plan[-1], lesson, hours) if plan else []
        if same_day and same_day[-1].end <= hours.end:
            plan[-1] = same_day
            continue
        plan.append(_with([], lesson, hours))
        if (late := plan[-1][-1].end) > hours.end:
            raise ValueError(
                f"Expected a day that holds lesson {lesson.id}, "
                f"{late - hours.start} minutes with its breaks, but got "
                f"{hours.end - hours.start}: begin earlier or end later."
            )
    return plan


def _by_use(lessons: Iterable[Lesson]) -> list[Lesson]:
    order = notes.load().order
    rank = {id_: place for place, id_ in enumerate(order)}
    return sorted(lessons, key=lambda lesson: rank.get(lesson.id, len(order)))


def fitting(
    lessons: Sequence[Lesson], hours: Hours, count: int
) -> tuple[list[Lesson], list[Lesson]]:
    """Return the lessons that ``count`` days hold, and those to read alone.

    Lessons are taken in the order of ``notes.toml`` while they fit, and taught in the
    order given.
    """
    taken: list[Lesson] = []
    for lesson in _by_use(lessons):
        trial = [each for each in lessons if each in (*taken, lesson)]
        try:
            if len(days(trial, hours)) <= count:
                taken = trial
        except ValueError:  # this one is longer than a day; the others may fit
            continue
    return taken, [each for each in lessons if each not in taken]


def rows(plan: Sequence[Day]) -> Iterator[tuple[str, Slot]]:
    """Yield every slot with the name of its day, and the end of each day.

    A single day has no name.
    """
    for number, day in enumerate(plan, start=1):
        name = f"day {number}" if len(plan) > 1 else ""
        for slot in (*day, Slot(day[-1].end, 0, "end")):
            yield name, slot
            name = ""
