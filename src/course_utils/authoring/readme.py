"""Keep README's tables and its picture in step with syllabus, notebooks and records.

``make sync`` runs it; a test fails when README is out of step.
"""

import base64
import re
from pathlib import Path

import nbformat

from course_utils import syllabus
from course_utils.authoring import budgets, versions
from course_utils.authoring.load_test import record, tables
from course_utils.formatting import markdown_table

PICTURED = ("00_start_here", "In training mode")
PICTURE = ".github/contrast.png"


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


def picture(folder: Path) -> tuple[bytes, str]:
    """Return one figure of an executed notebook, as PNG, and its text alternative.

    Raises:
        LookupError: If the notebook holds no such figure.
    """
    name, title = PICTURED
    notebook = nbformat.read(folder / "notebooks" / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            if alt.startswith(title):
                return base64.b64decode(output["data"]["image/png"]), alt
    raise LookupError(f"Expected a figure titled {title!r} in {name} but found none.")


def _fill(text: str, part: str, content: str) -> str:
    marks = rf"(<!-- {part}:start -->\n).*?(<!-- {part}:end -->)"
    return re.sub(marks, lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL)


def filled(text: str, folder: Path) -> str:
    """Return README's ``text`` with its tables and its picture as they should be."""
    _, alt = picture(folder)
    parts = {
        "lessons": lesson_table(),
        "picture": f"![{alt}]({PICTURE})",
        "learners": tables.markdown(record.committed()),
        "versions": versions.table(versions.record()),
    }
    for part, content in parts.items():
        text = _fill(text, part, content)
    return text


def main(folder: Path = Path()) -> None:
    """Bring README and its picture up to date, in the project's folder."""
    readme = folder / "README.md"
    png, _ = picture(folder)
    (folder / PICTURE).write_bytes(png)
    readme.write_text(filled(readme.read_text("utf-8"), folder), encoding="utf-8")


if __name__ == "__main__":
    main()
