"""Ordinary and ready kernels side by side: how soon a lesson begins, what it keeps.

First cells are timed in turns, from the start of each kernel, so that whatever else the
machine does falls on both. Memory is taken when all learners have run every cell: of
ordinary kernels before there is a process with the imports, which would share pages
with them. What a *further* learner needs is the difference to one alone, divided by
their number, so that that process counts once, with the first.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode, from_dict

from course_utils import ready_kernel
from course_utils.authoring.compare_outputs import SANITIZE, code_cells, sanitizer
from course_utils.authoring.execute import execute_notebook
from course_utils.authoring.load_test.load import (
    Memory,
    check,
    learn_together,
    remarks_on,
)
from course_utils.authoring.notebook_files import read_notebook
from course_utils.formatting import markdown_table
from course_utils.ready_kernel import suitable

KERNELS = ("ordinary", "ready")


@dataclass(frozen=True)
class Kept:
    """What learners keep after the last cell.

    Attributes:
        kernel: How their kernels started.
        learners: How many of them there are.
        right: How many got the stored outputs.
        memory: Of all kernels, total and private, in MB.
    """

    kernel: str
    learners: int
    right: int
    memory: Memory


@contextmanager
def _kernels_are(kernel: str) -> Iterator[None]:
    before = os.environ.get("COURSE_KERNEL", "")
    os.environ["COURSE_KERNEL"] = kernel
    try:
        yield
    finally:
        os.environ["COURSE_KERNEL"] = before


def seconds_to_first_cell(stored: NotebookNode) -> float:
    """Return the seconds from the start of a kernel to the end of its first cell.

    Raises:
        RuntimeError: If that cell fails.
    """
    notebook = from_dict({**stored, "cells": code_cells(stored)[:1]})
    ended: list[float] = []

    def follow(done: int, total: int) -> None:
        if done == total:
            ended.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = execute_notebook(notebook, Path(folder), on_cell=follow)
    if not run.ok:
        raise RuntimeError(run.failure)
    return ended[0] - began


def first_cells(stored: NotebookNode, times: int) -> dict[str, list[float]]:
    """Return the seconds to the first cell of each kernel, measured in turns."""
    seconds: dict[str, list[float]] = {kernel: [] for kernel in KERNELS}
    for _ in range(times):
        for kernel in KERNELS:
            with _kernels_are(kernel):
                seconds[kernel].append(seconds_to_first_cell(stored))
    return seconds


def kept(stored: NotebookNode, kernel: str, learners: int, rule: Path) -> Kept:
    """Return what ``learners`` at once keep after the last cell.

    Raises:
        RuntimeError: If one of them does not run every cell.
    """
    with _kernels_are(kernel), tempfile.TemporaryDirectory() as folder:
        runs, _, memory = learn_together(
            stored, Path(folder), learners, lambda done, total: None
        )
    remarks = remarks_on(stored, runs, sanitizer(rule))
    if memory is None:
        raise RuntimeError(next(filter(None, remarks)))
    return Kept(kernel, learners, remarks.count(""), memory)


def further(alone: Kept, many: Kept) -> Memory:
    """Return the MB that each learner after the first needs, shared and private."""
    others = many.learners - alone.learners
    shared, private = (
        (more - one) / others
        for more, one in zip(many.memory, alone.memory, strict=True)
    )
    return shared, private


def _first_cell_table(seconds: dict[str, list[float]]) -> str:
    rows = [
        [kernel, f"{len(each)}"]
        + [f"{f(each):.2f}" for f in (statistics.median, min, max)]
        for kernel, each in seconds.items()
    ]
    heads = ("Kernel", "Starts", "First cell, median s", "Fastest", "Slowest")
    return markdown_table(heads, rows, "---:")


def _memory_table(found: Sequence[Kept]) -> str:
    alone = {each.kernel: each for each in found if each.learners == 1}
    rows = []
    for each in found:
        numbers = [*each.memory]
        if each.learners > 1:
            numbers += further(alone[each.kernel], each)
        texts = [f"{number:,.0f}" for number in numbers]
        row = [each.kernel, str(each.learners), str(each.right), *texts]
        rows.append(row + [""] * (7 - len(row)))
    heads = (
        *("Kernel", "Learners", "Outputs as stored", "All, PSS MB", "All, USS MB"),
        *("Each further, PSS MB", "Each further, USS MB"),
    )
    return markdown_table(heads, rows, "---:")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print two tables.

    Raises:
        ValueError: If the lesson cannot be run, or no kernel can be ready here.
        RuntimeError: If a kernel or the process with the imports fails.
    """
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.authoring.load_test.kernels",
        description="Measure ordinary and ready kernels side by side; ten minutes.",
    )
    parser.add_argument("--lesson", default="12_common_pitfalls")
    parser.add_argument("--starts", type=int, default=10, help="of each kernel")
    parser.add_argument("--learners", type=int, nargs="+", default=[1, 2, 8])
    chosen = parser.parse_args(arguments)
    notebook = Path("notebooks", f"{chosen.lesson}.ipynb")
    learners = sorted({1, *chosen.learners})
    for count in learners:
        check(notebook, count)
    suitable.check_machine({"COURSE_KERNEL": "ready"})
    stored = read_notebook(notebook)
    found = [kept(stored, "ordinary", count, SANITIZE) for count in learners]
    with _kernels_are("ready"):
        imports = ready_kernel.begin(wait=True)
    if imports is None:
        raise RuntimeError("The process with the imports did not start.")
    seconds = first_cells(stored, chosen.starts)
    found += [kept(stored, "ready", count, SANITIZE) for count in learners]
    print(f"Imports, once: {imports:.1f} s.\n\n{_first_cell_table(seconds)}\n")
    print(_memory_table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
