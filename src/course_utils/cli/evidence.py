"""``course evidence``: the claims of lessons under many seeds, on several data sets."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_utils.authoring.evidence.groups import groups_of
from course_utils.authoring.evidence.summary import Summary, summarize
from course_utils.authoring.evidence.tasks import (
    Outcome,
    Task,
    append,
    kept,
    read_lines,
)
from course_utils.cli.folder import chosen_lessons, course_folder
from course_utils.cli.publish import publish, recorded
from course_utils.cli.run import Names
from course_utils.cli.runs import (
    all_ok,
    completed,
    end,
    finished,
    new_progress,
    new_task,
    stored_notebook,
)
from course_utils.cli.terminal import (
    check_environment,
    complain,
    console,
    new_table,
    number,
    one_sentence,
    sign,
)
from course_utils.data.locate import locate
from course_utils.data.sources import checked_name
from course_utils.syllabus import Lesson

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from course_utils.authoring.evidence.parallel import Job

_SIGNS = {"at_least": ("≥", ">="), "at_most": ("≤", "<="), "equals": ("=", "=")}
STOPPED = "Stopped. Runs that had not ended are not counted."
RESUME = " The same command with the same --output goes on from there."


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
        name = checked_name(name, "--data")
        if images not in ("", "all") or (name, images) == ("embedded", "all"):
            raise ValueError(
                f"Expected --data to name a data set, or one with ':all' behind it for "
                f"all of its images, but got {each.strip()!r}."
            )
        locate(name)
        chosen.append(f"{name}:{images}" if images else name)
    return list(dict.fromkeys(chosen))


def _cores(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(
            "Expected --cores to be numbers such as 1,2, or 0 for all, but got "
            f"{text!r}."
        )
    return list(dict.fromkeys(map(int, parts)))


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


def _check_dask() -> None:
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise ValueError(
            "Expected Dask, which runs lessons side by side, to be installed but it is "
            "not: run `python -m pip install distributed` and try again."
        )


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
        style = "green" if each.holds else "bold red"
        held = Text(f"{each.held}/{each.runs}", style=style)
        table.add_row(each.practice, each.text, *numbers, _bound(each, on), held)
    return table


def _summaries(outcomes: Iterable[Outcome]) -> list[Summary]:
    lessons: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        lessons.setdefault(outcome.task.lesson, []).append(outcome)
    return [each for _, same in sorted(lessons.items()) for each in summarize(same)]


def _show(outcomes: Sequence[Outcome]) -> None:
    on, groups = console(), groups_of(outcomes)
    for name, same in groups.items():
        if len(groups) > 1:
            on.print(name)
        if found := _summaries(same):
            on.print(summary_table(found, on))


def _jobs(
    lessons: Sequence[Lesson],
    folder: Path,
    seeds: range,
    data: list[str],
    cores: list[int],
) -> list["Job"]:
    from course_utils.authoring.evidence.parallel import Job

    texts = {lesson: stored_notebook(lesson, folder) for lesson in lessons}
    return [
        Job(
            new_task(lesson, texts[lesson], seed, data=name, cores=count),
            texts[lesson],
            lesson.cores,
        )
        for name in data
        for count in cores
        for lesson in lessons
        for seed in seeds
    ]


@contextlib.contextmanager
def _silent_interrupt(into: list[bool]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        into.append(True)


def _there(
    tasks: Sequence[Task], keep: Path | None, to: Path | None
) -> dict[Task, Outcome]:
    """Return the outcomes that need no run: published, or in the file of this one."""
    if keep is None:
        return {}
    found = kept([*(recorded(to) if to else []), *read_lines(keep)], tasks)
    if found:
        complain(f"{len(found)} of {len(tasks)} runs are there already.")
    return found


def _keep(outcome: Outcome, file: Path) -> None:
    try:
        append(file, outcome)
    except OSError as error:
        raise ValueError(
            f"Expected room in {file} for a finished run but got: "
            f"{error.strerror or error}. Make room there, and give the same command "
            "again: it goes on from the runs that are kept."
        ) from error


def _measure(
    jobs: Sequence["Job"],
    there: dict[Task, Outcome],
    keep: Path | None,
    scheduler: str | None,
    workers: int | None,
) -> tuple[list[Outcome], bool]:
    """Return the outcomes of all jobs, old or new, and whether Ctrl-C came first."""
    from course_utils.authoring.evidence.parallel import run_jobs

    tasks = [job.task for job in jobs]
    left = [job for job in jobs if job.task not in there]
    on, stopped = console(stderr=True), []
    with _silent_interrupt(stopped), new_progress(on, "runs") as bar:
        row = bar.add_task("", total=len(jobs), completed=len(there))
        found = (
            run_jobs(left, scheduler=scheduler, workers=workers) if left else iter(())
        )
        with contextlib.closing(found) if left else contextlib.nullcontext():
            for outcome in map(completed, found):
                if keep is not None:
                    _keep(outcome, keep)
                there[outcome.task] = outcome
                bar.advance(row)
                on.print(finished(outcome), soft_wrap=True)
    return [there[task] for task in tasks if task in there], bool(stopped)


def evidence(
    lessons: Names = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Runs of each lesson, one a seed.")
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
    cores: Annotated[
        str,
        typer.Option(metavar="N,...", help="CPU cores that a run may use; 0 for all."),
    ] = "0",
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
            help="Write evidence.json and evidence.md there, of the runs in --output "
            "and of those it held; what it holds is not run again.",
        ),
    ] = None,
) -> None:
    """Run lessons under several seeds, and show how often every claim holds.

    Exit status 0: every lesson ran under every seed, and every claim held.
    """
    with one_sentence():
        check_environment()
        _check_dask()
        # The capstone makes no claim: without a name, it is left out.
        chosen = [each for each in chosen_lessons(lessons) if lessons or each.practices]
        folder = course_folder()
        every, keep = _seeds(first_seed, seeds), _checked_output(output)
        if to is not None and keep is None:
            raise ValueError("Expected --output, whose runs --publish sums up.")
        jobs = _jobs(chosen, folder, every, _data(data), _cores(cores))
        there = _there([job.task for job in jobs], keep, to)
        outcomes, stopped = _measure(jobs, there, keep, scheduler, workers)
        _show(outcomes)
        if to is not None and not stopped:
            publish(keep, folder, to)
    remark = STOPPED + (RESUME if keep else "")
    end(stopped, len(outcomes) == len(jobs) and all_ok(outcomes), remark)
