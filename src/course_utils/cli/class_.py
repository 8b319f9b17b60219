"""``course class summary``: what a class predicted and solved, from its hand-ins."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from course_utils import syllabus
from course_utils.authoring.classroom import hand_ins
from course_utils.authoring.classroom.hand_ins import PracticeSummary
from course_utils.cli.terminal import FAILED, complain, console, new_table

app = typer.Typer(help="For instructors: what a class did.", no_args_is_help=True)
MOST = 3  # practices named below the table


@app.callback()
def _class() -> None:
    """For instructors: what a class did."""


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


def _most_tries(rows: Sequence[PracticeSummary]) -> str:
    """Return where answers were checked most often, in a sentence, or ``""``."""
    several = [row for row in rows if row.tries > 1]
    most = sorted(several, key=lambda row: -row.tries)[:MOST]
    if not most:
        return ""
    named = ", ".join(f"{row.practice} ({row.tries:.1f})" for row in most)
    return f"Most answers checked, per learner: {named}."


def _capstone(counts: Sequence[int]) -> str:
    if not counts:
        return ""
    middle = counts[len(counts) // 2]
    return f"Capstone begun by {len(counts)}; the one in the middle repaired {middle}."


def _own_code(checked: int, mended: int) -> str:
    return f"Script of lesson 15 mended by {mended} of {checked}." if checked else ""


@app.command()
def summary(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="Progress files, or folders of them."),
    ],
) -> None:
    """Add up progress files: first predictions, solved exercises, answers checked.

    `course status` tells a learner where the file is. It holds no name. A file that
    cannot be read is named, and the others count.
    """
    learners, faults = hand_ins.read(files)
    for fault in faults:
        complain(fault)
    if not learners:
        complain("Expected at least one progress file but got none that can be read.")
        raise typer.Exit(FAILED)
    rows = list(hand_ins.summary(learners))
    counts = ("predicted\nright", "exercise\nsolved", "answers\nchecked")
    table = new_table(
        {"": "right", "practice": "fold", **dict.fromkeys(counts, "right")}
    )
    for row in rows:
        title = syllabus.load().practice(row.practice).title
        right, solved = _share(row.right, row.predicted), _share(row.solved, row.tried)
        tries = f"{row.tries:.1f}" if row.tried else "-"
        table.add_row(row.practice, title, right, solved, tries)
    on = console()
    on.print(table)
    count = "1 learner" if len(learners) == 1 else f"{len(learners)} learners"
    lines = [f"{count}. Answers checked: up to the first correct one, on average."]
    lines += [_most_tries(rows), _capstone(hand_ins.repaired(learners))]
    lines.append(_own_code(*hand_ins.own_code(learners)))
    for line in filter(None, lines):
        on.print(line, soft_wrap=True)
