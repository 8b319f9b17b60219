"""All practices on one sheet: title and symptoms, as Markdown and to print."""

import html
from collections.abc import Iterator

from course_utils import syllabus
from course_utils.authoring import symptoms
from course_utils.authoring.classroom.sections import ROOT
from course_utils.formatting import markdown_table
from course_utils.syllabus import Lesson

STYLE = """
@page { size: A4; margin: 9mm 10mm; }
body { font: 7.6pt/1.24 "Liberation Sans", Arial, sans-serif; margin: 0; }
h1 { font-size: 11pt; margin: 0 0 1mm; }
p { margin: 0 0 1.5mm; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: bold; }
td, th { border-bottom: 0.2pt solid #666; padding: 0.35mm 1mm; vertical-align: top; }
th.lesson { background: #e8e8e8; padding-top: 0.6mm; }
td:first-child { width: 4mm; }
td:nth-child(2) { width: 7mm; }
td:nth-child(3) { width: 62mm; }
tr { break-inside: avoid; }
thead { display: table-header-group; }
code { font-family: "Liberation Mono", monospace; font-size: 0.94em; }
@media screen { body { max-width: 190mm; margin: 8mm auto; } }
"""
INTRO = "Tick what you have looked for in your own code. On the right: its symptoms."


def _rows(lesson: Lesson) -> Iterator[tuple[str, str, str]]:
    """Yield id, title and symptoms of every practice of a lesson."""
    script = (ROOT / "notebooks" / f"{lesson.file}.py").read_text("utf-8")
    seen = symptoms.of_lesson(script)
    for practice in lesson.practices:
        signs = "; ".join(sign for sign, id_ in seen if id_ == practice.id)
        yield practice.id, practice.title, signs


def _lessons() -> list[Lesson]:
    return [lesson for lesson in syllabus.load().ready if lesson.practices]


def markdown() -> str:
    """Return the sheet as a page of the site, with a link to the one to print."""
    rows = [row for lesson in _lessons() for row in _rows(lesson)]
    table = markdown_table(("", "Practice", "You see"), rows)
    link = '<a href="../slides/sheet.html">To print: two sides of one sheet.</a>'
    return f"# All practices on one sheet\n\n{link}\n\n{table}\n"


def _html(text: str) -> str:
    """Return Markdown's code spans as HTML, and all other text escaped."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))


def printable() -> str:
    """Return the sheet as a page of HTML that prints on two sides of A4."""
    rows = []
    for lesson in _lessons():
        name = f"{lesson.id} {lesson.title}"
        rows.append(f'<tr><th colspan="4" class="lesson">{html.escape(name)}</th></tr>')
        for cells in _rows(lesson):
            filled = "".join(f"<td>{_html(cell)}</td>" for cell in ("☐", *cells))
            rows.append(f"<tr>{filled}</tr>")
    title = "PyTorch Lightning practices"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<link rel="icon" href="data:,">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{title}</h1><p>{INTRO}</p>\n<table>{''.join(rows)}</table>\n"
        "</body></html>\n"
    )
