"""``course run``: lessons executed once, their claims as a table."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from course_utils import settings
from course_utils.authoring.evidence.tasks import Outcome
from course_utils.cli import terminal
from course_utils.cli.folder import chosen_lessons, course_folder
from course_utils.cli.runs import end, run_in_order
from course_utils.formatting import number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LESSON", help="For example 12; without any, all that are ready."
    ),
]


def claims_table(outcomes: Iterable[Outcome], on: "Console") -> "Table":
    """Return one row per claim; effects are in the unit that the claim names."""
    table = terminal.new_table(
        {"practice": "left", "claim": "fold"}
        | dict.fromkeys(("bad", "good", "effect"), "right")
        | {"holds": "center"}
    )
    for claim in (claim for outcome in outcomes for claim in outcome.claims):
        numbers = map(number, (claim.bad, claim.good, claim.measured))
        holds = terminal.verdict(on, claim.holds)
        table.add_row(claim.practice, claim.text, *numbers, holds)
    return table


def run(lessons: Names = None) -> None:
    """Run lessons from a clean kernel, and show whether every claim holds here.

    No notebook is changed. Exit status 0: every lesson ran, and every claim holds.
    """
    with terminal.one_sentence():
        terminal.check_environment()
        terminal.check_can_execute()
        chosen, folder, seed = chosen_lessons(lessons), course_folder(), settings.seed()
    outcomes, interrupted = run_in_order(chosen, folder, seed)
    on = terminal.console()
    if any(outcome.claims for outcome in outcomes):
        on.print(claims_table(outcomes, on))
    end(interrupted, all(outcome.ok for outcome in outcomes))
