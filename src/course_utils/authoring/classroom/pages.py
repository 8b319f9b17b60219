"""The instructor's pages: one for each lesson, an overview, and the practices."""

from importlib import resources
from pathlib import Path

from course_utils import syllabus
from course_utils.authoring import budgets, readme
from course_utils.authoring.classroom import agenda, notes, sheet
from course_utils.authoring.classroom.agenda import Hours
from course_utils.authoring.classroom.notes import LessonNotes
from course_utils.authoring.classroom.prose import literal
from course_utils.authoring.classroom.sections import Section, sections
from course_utils.authoring.classroom.wrong_turns import WrongTurn, wrong_turns
from course_utils.exercises import api
from course_utils.formatting import markdown_table
from course_utils.syllabus import Lesson

LENGTHS = {
    "Half a day": (Hours.half(), 1),
    "One day": (Hours(), 1),
    "Two days": (Hours(), 2),
}


def _deck(lesson: Lesson) -> str:
    # HTML, so that no builder looks for the file among its sources.
    return f'<a href="../slides/{lesson.id}.html">Slides</a>'


def _options(section: Section) -> str:
    right = section.practice.answer
    return "\n".join(
        f"- **{letter}** {text}{' **← right**' if letter == right else ''}"
        for letter, text in section.options.items()
    )


def _turns(found: list[WrongTurn]) -> str:
    rows = [(literal(str(turn)), literal("; ".join(turn.answers))) for turn in found]
    return markdown_table(("The checker says", "What the answer did"), rows)


def _practice(section: Section, said: LessonNotes, turns: list[WrongTurn]) -> str:
    """Return the part of a lesson's page that is about one practice."""
    practice = section.practice
    tempting = said.practices[practice.id]
    figure = section.figure.title if section.figure else "the table alone"
    return "\n\n".join(
        (
            f"## {practice.id} {practice.title}",
            f"**Ask.** {section.asked}",
            _options(section),
            f"**{tempting.sounds}** sounds right, because {tempting.because} "
            f"{tempting.turn}",
            f"**What is seen.** {figure[0].upper()}{figure[1:]}.",
            section.said,
            f"**Exercise.** {practice.exercise}, {practice.minutes} minutes. To say "
            f"aloud, if somebody is stuck: {literal(api.find(practice.id).hints[0])}",
            _turns(turns),
        )
    )


def _faults(lesson: Lesson) -> str:
    """Return the practices that a lesson's script breaks, each with its first hint."""
    from course_utils.capstone.symptoms import SYMPTOMS
    from course_utils.own_code.tryout.script import FOUND_BY, REPAIRS

    if lesson.id == "14":
        column = "Round"
        found = [(each.part, each.practice, each.hints[0]) for each in SYMPTOMS]
    else:
        column = "Found by"
        found = [(FOUND_BY[p], p, each.hints[0]) for p, each in REPAIRS.items()]
    titles = {p.id: p.title for le in syllabus.load().lessons for p in le.practices}
    rows = [(place, f"{p} {titles[p]}", literal(hint)) for place, p, hint in found]
    return "## What is wrong with the script\n\n" + markdown_table(
        (column, "Practice", "First hint"), rows
    )


def _times(lesson: Lesson) -> str:
    taken = budgets.seconds(lesson.file)
    runs = "" if taken is None else f" All cells together run in {taken:.0f} s."
    return (
        f"{lesson.teaching_minutes} minutes of experiments, {lesson.exercise_minutes} "
        f"of exercises.{runs} [Lesson](../notebooks/{lesson.file}.ipynb) · "
        f"[Solutions](../solutions/{lesson.file}.ipynb) · {_deck(lesson)}"
    )


def lesson_page(lesson: Lesson) -> str:
    """Return the instructor's page of a lesson as Markdown."""
    said = notes.load().lessons[lesson.id]
    turns = wrong_turns(lesson)
    parts = [
        f"# Teaching lesson {lesson.id} · {lesson.title}",
        _times(lesson),
        f"**When to ask.** {said.ask}",
        *(_practice(s, said, turns[s.practice.id]) for s in sections(lesson)),
        *([] if lesson.practices else [_faults(lesson)]),
        f"## Where to cut\n\n{said.cut}",
        f"## The question to close with\n\n{said.close}",
        f"*A good answer:* {said.answer}",
    ]
    return "\n\n".join(parts) + "\n"


def _agenda(name: str, hours: Hours, count: int) -> str:
    lessons = syllabus.load().ready
    taken, left = agenda.fitting(lessons, hours, count)
    rows = [
        (
            f"{day} {slot.clock}".strip(),
            f"{slot.minutes or ''}",
            f"{slot.what} {slot.part}".strip(),
        )
        for day, slot in agenda.rows(agenda.days(taken, hours))
    ]
    alone = ", ".join(f"{each.id} {each.title}" for each in left)
    return (
        f"### {name}\n\n{markdown_table(('Time', 'Minutes', ''), rows)}\n\n"
        f"To read alone: {alone}."
    )


def _lessons() -> str:
    rows = [
        (
            lesson.id,
            f"[{lesson.title}](lesson_{lesson.id}.md)",
            f"{lesson.teaching_minutes} + {lesson.exercise_minutes}",
            _deck(lesson),
        )
        for lesson in syllabus.load().ready
    ]
    return markdown_table(("", "For the instructor", "Minutes", ""), rows)


def index() -> str:
    """Return the overview: how to teach, timetables, slides, hand-ins, machines."""
    text = resources.files(__package__).joinpath("index.md").read_text("utf-8")
    parts = {
        "lessons": _lessons(),
        "agendas": "\n\n".join(_agenda(name, *each) for name, each in LENGTHS.items()),
    }
    return readme.fill(text, parts)


def write(folder: Path) -> None:
    """Write all pages into ``folder``, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"lesson_{each.id}": lesson_page(each) for each in syllabus.load().ready}
    pages |= {"index": index(), "sheet": sheet.markdown()}
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, "utf-8")
