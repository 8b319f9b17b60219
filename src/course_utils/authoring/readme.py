"""Fill the generated parts of README, CONTRIBUTING and the site: in ``make sync``.

A part lies between ``<!-- name:start -->`` and ``<!-- name:end -->``. A test fails when
one is out of step with the syllabus, the notebooks, the records or the imports.
"""

import base64
import re
from functools import partial
from pathlib import Path

from course_utils import syllabus
from course_utils.authoring import budgets, rooms, symptoms, versions
from course_utils.authoring.load_test import record, tables
from course_utils.authoring.notebook_files import read_notebook
from course_utils.formatting import anchor, markdown_table

FILES = (
    *("README.md", "CONTRIBUTING.md"),
    *("site/symptoms.md", "site/sizing.md", "site/versions.md", "site/check.md"),
)
HOW = {"read": "read", "run": "run", "both": "read, and run"}
PICTURED = ("00_start_here", "In training mode")
PICTURE = ".github/contrast.png"


def counts() -> str:
    """Return in one sentence how much the course holds, without its start page."""
    lessons = [each for each in syllabus.load().lessons[1:] if each.practices]
    practices = sum(len(each.practices) for each in lessons)
    return (
        f"{practices} practices in {len(lessons)} lessons, a capstone, and "
        "a lesson that turns to your own code."
    )


def lesson_table() -> str:
    """Return the table of lessons as Markdown; planned lessons have no link."""
    header = ("", "Lesson", "You will be able to", "Minutes", "Runs in")
    rows = []
    for lesson in syllabus.load().lessons:
        title = lesson.title
        if lesson.ready:
            title = f"[{title}](notebooks/{lesson.file}.ipynb)"
        minutes = f"{lesson.teaching_minutes} + {lesson.exercise_minutes}"
        time = minutes if lesson.ready else "in preparation"
        taken = budgets.seconds(lesson.file)
        runs = "" if taken is None else f"{taken:.0f} s"
        rows.append((lesson.id, title, lesson.promise, time, runs))
    return markdown_table(header, rows)


def checked() -> str:
    """Return how ``course check`` asks each practice of other code, as Markdown."""
    rows = []
    for lesson in syllabus.load().ready:
        for each in lesson.practices:
            name = f"{each.id} {each.title}"
            link = f"../notebooks/{lesson.file}.ipynb#{anchor(name)}"
            how = HOW.get(each.checked) or f"left to you: {each.checked_why}"
            rows.append((f"[{name}]({link})", how))
    return markdown_table(("Practice", "How it is asked"), rows)


def picture(folder: Path) -> tuple[bytes, str]:
    """Return one figure of an executed notebook, as PNG, and its text alternative.

    Raises:
        LookupError: If the notebook holds no such figure.
    """
    name, title = PICTURED
    notebook = read_notebook(folder / "notebooks" / f"{name}.ipynb")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            if alt.startswith(title):
                return base64.b64decode(output["data"]["image/png"]), alt
    raise LookupError(f"Expected a figure titled {title!r} in {name} but found none.")


def parts(folder: Path) -> dict[str, str]:
    """Return each generated part of the project in ``folder`` as Markdown, by name."""
    _, alt = picture(folder)
    return {
        "counts": counts(),
        "lessons": lesson_table(),
        "checked": checked(),
        "symptoms": symptoms.index(folder),
        "picture": f"![{alt}]({PICTURE})",
        "learners": tables.markdown(record.committed()),
        "works-with": versions.in_short(versions.record()),
        "versions": versions.table(versions.record()),
        "rooms": rooms.table(),
        "imports": rooms.picture(),
    }


def _between(content: str, marks: re.Match[str]) -> str:
    return f"{marks[1]}{content}\n{marks[2]}"


def fill(text: str, parts: dict[str, str]) -> str:
    """Return ``text`` with those of ``parts`` that it has a place for."""
    for part, content in parts.items():
        marks = rf"(<!-- {part}:start -->\n).*?(<!-- {part}:end -->)"
        text = re.sub(marks, partial(_between, content), text, flags=re.DOTALL)
    return text


def main(folder: Path = Path()) -> None:
    """Bring all files and README's picture up to date, in the project's folder."""
    png, _ = picture(folder)
    (folder / PICTURE).write_bytes(png)
    for file in FILES:
        text = (folder / file).read_text("utf-8")
        (folder / file).write_text(fill(text, parts(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
