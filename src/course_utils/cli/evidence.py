"""``course evidence``: the claims of lessons under many seeds, on several data sets."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_utils.authoring.evidence import store
from course_utils.authoring.evidence.summary import (
    SIGNS,
    Summary,
    by_data,
    by_lesson,
    summarize,
)
from course_utils.authoring.evidence.tasks import Outcome, Task, require_claims
from course_utils.cli import runs, terminal
from course_utils.cli.folder import chosen_lessons, course_folder
from course_utils.cli.publish import publish
from course_utils.cli.run import Names
from course_utils.data.locate import locate
from course_utils.data.sources import validate_name
from course_utils.formatting import number
from course_utils.syllabus import Lesson

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from course_utils.authoring.evidence.parallel import Job

_PLAIN = {"≥": ">=", "≤": "<="}
STOPPED = "Stopped. Runs that had not ended are not counted."
RESUME = " The same command with the same --output continues from there."


def _seeds(first: int, count: int) -> range:
    if count < 1:
        raise ValueError(f"Expected --seeds to be at least 1 but got {count}.")
    if first < 0 or first + count > 2**32:
        raise ValueError(
            "Expected the seeds to be from 0 to 4294967295 but got "
            f"{first} to {first + count - 1}; change --first-seed."
        )
    return range(first, first + count)


def _data(names: str) -> list[str]:
    """Return the data sets of ``--data``, each looked for before hours are spent."""
    chosen = []
    for each in names.split(","):
        name, _, images = each.strip().partition(":")
        name = validate_name(name, "--data")
        if images not in ("", "all") or (name, images) == ("embedded", "all"):
            raise ValueError(
                f"Expected --data to name a data set, or one with ':all' behind it for "
                f"all of its images, but got {each.strip()!r}."
            )
        locate(name)
        chosen.append(f"{name}:{images}" if images else name)
    return list(dict.fromkeys(chosen))


def _bound(summary: Summary, on: "Console") -> str:
    if len(summary.bounds) > 1:
        return "varies"
    [(kind, threshold)] = summary.bounds
    best = SIGNS[kind]
    return f"{terminal.sign(on, best, _PLAIN.get(best, best))} {number(threshold)}"


def summary_table(found: Iterable[Summary], on: "Console") -> "Table":
    """Return one row per claim; effects are in the unit that the claim names."""
    from rich.text import Text

    right = dict.fromkeys(("min", "median", "max", "bound", "held"), "right")
    table = terminal.new_table({"practice": "left", "claim": "fold", **right})
    for each in found:
        numbers = map(number, (each.smallest, each.median, each.largest))
        style = "green" if each.holds else "bold red"
        held = Text(f"{each.held}/{each.runs}", style=style)
        table.add_row(each.practice, each.text, *numbers, _bound(each, on), held)
    return table


def _show(outcomes: Sequence[Outcome]) -> None:
    on, groups = terminal.console(), by_data(outcomes)
    for name, same in groups.items():
        if len(groups) > 1:
            on.print(name)
        lessons = sorted(by_lesson(same).items())
        if found := [each for _, of_one in lessons for each in summarize(of_one)]:
            on.print(summary_table(found, on))


def _jobs(
    lessons: Sequence[Lesson], folder: Path, seeds: range, data: list[str]
) -> list["Job"]:
    from course_utils.authoring.evidence.parallel import Job

    texts = {lesson: runs.stored_notebook(lesson, folder) for lesson in lessons}
    return [
        Job(runs.new_task(each, texts[each], seed, name), texts[each], each.cores)
        for name in data
        for each in lessons
        for seed in seeds
    ]


def _finished_before(
    tasks: Sequence[Task], keep: Path | None, to: Path | None
) -> dict[Task, Outcome]:
    """Return the outcomes that are published, or in the file ``keep`` already."""
    if keep is None:
        return {}
    published = store.read(to / store.NAME) if to else []
    every = [*published, *store.read(keep, skip_damaged=True)]
    found = store.finished(every, tasks)
    if found:
        terminal.complain(f"{len(found)} of {len(tasks)} runs were finished before.")
    return found


def _append(outcome: Outcome, file: Path) -> None:
    try:
        store.append(file, outcome)
    except OSError as error:
        raise ValueError(
            f"Expected room in {file} for a finished run but got: "
            f"{error.strerror or error}. Make room there, and give the same command "
            "again: it continues from the runs that are kept."
        ) from error


def _measure(
    jobs: Sequence["Job"],
    before: dict[Task, Outcome],
    keep: Path | None,
    scheduler: str | None,
    workers: int | None,
) -> tuple[list[Outcome], bool]:
    """Return the outcomes of all jobs, old or new, and whether Ctrl-C came between."""
    from course_utils.authoring.evidence.parallel import run_jobs

    left = [job for job in jobs if job.task not in before]
    found = run_jobs(left, scheduler=scheduler, workers=workers)
    interrupted, outcomes = False, {**before}
    with runs.new_progress("runs") as bar:
        row = bar.add_task("", total=len(jobs), completed=len(before))
        try:
            with contextlib.closing(found):
                for outcome in map(require_claims, found):
                    if keep is not None:
                        _append(outcome, keep)
                    outcomes[outcome.task] = outcome
                    bar.advance(row)
                    bar.console.print(runs.describe(outcome), soft_wrap=True)
        except KeyboardInterrupt:
            interrupted = True
    done = [outcomes[job.task] for job in jobs if job.task in outcomes]
    return done, interrupted


def evidence(
    lessons: Names = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Runs of each lesson, one per seed.")
    ] = 3,
    first_seed: Annotated[
        int, typer.Option(metavar="K", help="The seeds are K, K+1, ..., K+N-1.")
    ] = 0,
    data: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Data sets, for example embedded,fashion-mnist; as many images as the "
            "embedded data has, or all of them: fashion-mnist:all.",
        ),
    ] = "embedded",
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Runs at once; by default what fits."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="A Dask scheduler, instead of this machine."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Keep each finished run here; what is here is not run again.",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--publish",
            metavar="FOLDER",
            help="Write evidence.jsonl, evidence.md and confidence.json there, of the "
            "runs in --output and of those it held; what it holds is not run again.",
        ),
    ] = None,
) -> None:
    """Run lessons under several seeds, and show how often every claim holds.

    Exit status 0: every lesson ran under every seed, and every claim held.
    """
    with terminal.one_sentence():
        terminal.check_environment()
        terminal.check_installed(
            "distributed", "Dask, which runs lessons side by side,", "distributed"
        )
        terminal.check_can_execute()
        # The capstone makes no claim: without a name, it is left out.
        chosen = [each for each in chosen_lessons(lessons) if lessons or each.practices]
        folder = course_folder()
        every = _seeds(first_seed, seeds)
        if output is not None:
            terminal.check_writable(output, "--output")
        if to is not None and output is None:
            raise ValueError("Expected --output, whose runs --publish sums up.")
        jobs = _jobs(chosen, folder, every, _data(data))
        before = _finished_before([job.task for job in jobs], output, to)
        outcomes, interrupted = _measure(jobs, before, output, scheduler, workers)
        _show(outcomes)
        if to is not None and not interrupted:
            publish(output, folder, to)
    remark = STOPPED + (RESUME if output else "")
    holds = len(outcomes) == len(jobs) and all(each.ok for each in outcomes)
    runs.end(interrupted, holds, remark)
