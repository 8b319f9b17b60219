"""``course evidence``: the claims of lessons under many seeds."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_utils.cli.folder import chosen_lessons, course_folder
from course_utils.cli.run import Names
from course_utils.cli.runs import Run, end, run_all
from course_utils.cli.terminal import (
    check_environment,
    console,
    new_table,
    number,
    one_sentence,
    sign,
)
from course_utils.evidence import Summary, summarize

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SIGNS = {"at_least": ("≥", ">="), "at_most": ("≤", "<="), "equals": ("=", "=")}


def _seeds(first: int, count: int) -> range:
    if count < 1:
        raise ValueError(f"Expected --seeds to be at least 1 but got {count}.")
    if first < 0 or first + count > 2**32:
        raise ValueError(
            "Expected the seeds to be from 0 to 4294967295 but got "
            f"{first} to {first + count - 1}; change --first-seed."
        )
    return range(first, first + count)


def _checked_output(output: Path | None) -> Path | None:
    """Return ``output`` after a trial: an hour's results need a place to go to."""
    try:
        if output is not None:
            output.open("ab").close()
    except OSError as error:
        raise ValueError(
            f"Expected --output to be a file that can be written but got {output}: "
            f"{error.strerror or error}."
        ) from error
    return output


def summaries(runs: Iterable[Run]) -> list[Summary]:
    """Return one summary a claim, each over the runs of its lesson."""
    lessons: dict[str, list[Run]] = {}
    for run in runs:
        lessons.setdefault(run.lesson.id, []).append(run)
    return [
        summary
        for same in lessons.values()
        for summary in summarize([r for run in same for r in run.records], len(same))
    ]


def _bound(summary: Summary, on: "Console") -> str:
    if len(summary.bounds) > 1:
        return "varies"
    [(kind, threshold)] = summary.bounds
    return f"{sign(on, *_SIGNS[kind])} {number(threshold)}"


def summary_table(found: Iterable[Summary], on: "Console") -> "Table":
    """Return one row a claim; effects are in the unit that the claim names."""
    from rich.text import Text

    table = new_table()
    table.add_column("practice", no_wrap=True)
    table.add_column("claim", overflow="fold")
    for name in ("min", "median", "max", "bound", "held"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found:
        numbers = map(number, (each.smallest, each.median, each.largest))
        held = Text(
            f"{each.held}/{each.runs}", style="green" if each.holds else "bold red"
        )
        table.add_row(each.practice, each.text, *numbers, _bound(each, on), held)
    return table


def evidence(
    lessons: Names = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Runs of each lesson, one a seed.")
    ] = 3,
    first_seed: Annotated[
        int, typer.Option(metavar="K", help="The seeds are K, K+1, ..., K+N-1.")
    ] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl", help="Append the claims of each finished run here."
        ),
    ] = None,
) -> None:
    """Run lessons under several seeds, and show how often every claim holds.

    Exit status 0: every lesson ran under every seed, and every claim held.
    """
    with one_sentence():
        check_environment()
        chosen, folder = chosen_lessons(lessons), course_folder()
        every, keep = _seeds(first_seed, seeds), _checked_output(output)
    session = run_all([(each, seed) for each in chosen for seed in every], folder, keep)
    found = summaries(session.runs)
    on = console()
    if found:
        on.print(summary_table(found, on))
    held = all(each.holds for each in found)
    end(session, held and all(run.ok for run in session.runs))
