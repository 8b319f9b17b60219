"""Show the script or a repair of it with syntax colours, and run it."""

import difflib
from pathlib import Path
from typing import Any

from IPython.display import Markdown, display

from course_utils import syllabus
from course_utils.capstone import script
from course_utils.capstone.examine import train
from course_utils.capstone.repairs import repaired
from course_utils.capstone.scoring import YOURS
from course_utils.checks.learner_code import LearnerError
from course_utils.formatting import markdown_table


def show_code(text: str, language: str = "python") -> None:
    """Show code in the colours of a language."""
    display(Markdown(f"```{language}\n{text.rstrip()}\n```"))


def show_part(name: str) -> None:
    """Show the lines of the first script that one round is about.

    Args:
        name: ``"data"``, ``"model"``, ``"training"`` or ``"evaluation"``.
    """
    try:
        show_code(script.part(name))
    except ValueError as error:
        print(error)


def show_difference(before: str, after: str) -> None:
    """Show the lines of a script that are removed (-) and added (+)."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), lineterm="", n=1
    )
    kept = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    show_code("\n".join(kept), "diff")


def show_repair(practice: str) -> None:
    """Show the lines that one repair removes (-) and adds (+)."""
    before = script.ORIGINAL.read_text("utf-8")
    show_difference(before, repaired(before, practice))


def show_solution() -> None:
    """Show the script with all repairs."""
    show_code(repaired(script.ORIGINAL.read_text("utf-8")))


def write_solution(path: Path) -> Path:
    """Write the script with all repairs to ``path``, and return it."""
    path.write_text(repaired(script.ORIGINAL.read_text("utf-8")), encoding="utf-8")
    return path


def catalogue() -> None:
    """Show all practices with their ids, one line per lesson."""
    rows = []
    for lesson in syllabus.load().lessons:
        names = " · ".join(f"**{each.id}** {each.title}" for each in lesson.practices)
        if names:
            rows.append((f"{lesson.id} {lesson.title}", names))
    display(Markdown(markdown_table(("lesson", "practices"), rows)))


def run(path: str | Path = YOURS) -> Any:
    """Train your script in a temporary folder, say what it reports, return its Result.

    The scoreboard uses this very run, so that it need not be made again.

    Args:
        path: Your copy of the script.
    """
    try:
        result = train(path)
    except LearnerError as error:
        print(error)
        return None
    print(f"accuracy {result.accuracy:.3f}")
    return result
