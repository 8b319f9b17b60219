"""Does a notebook print the same in a kernel that is ready as in an ordinary one?

Each runs in both, in turns. What all ordinary runs agree on is determined, by code and
seed, and must be the same in a ready kernel to the last digit; what they disagree on is
measured: times, memory. So nobody has to say which number is which. Compared are texts,
each number with a decimal point, pictures, and all that claims and contrasts record.

If something differs, both run again, since a coarse time may agree by chance. It is
said to differ if all ordinary runs agree and no ready run does, to wobble if one does.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils import ready_kernel
from course_utils.authoring.compare_outputs import (
    ENVIRONMENT,
    SANITIZE,
    code_cells,
    measurements,
    pictures,
    read_text,
    sanitizer,
)
from course_utils.authoring.execute import execute_notebook
from course_utils.authoring.notebook_files import read_notebook
from course_utils.authoring.sync import scripts
from course_utils.formatting import markdown_table

MOST_ROUNDS = 4
_LIMIT = 1800  # seconds for one cell, of which several may run at once
_IS_FORK = "import sys; print('course_utils.ready_kernel.newborn' in sys.modules)"

# What stands where: `cell 3, number 2` is `0.5625`.
Seen = dict[str, str]


def _parts(notebook: NotebookNode, recorded: str) -> Iterator[tuple[str, str]]:
    for number, cell in enumerate(code_cells(notebook), start=1):
        yield f"cell {number}", read_text(cell.outputs)
    for number, line in enumerate(recorded.splitlines(), start=1):
        yield f"record {number}", line


def what_is_seen(notebook: NotebookNode, recorded: str, config: Path) -> Seen:
    """Return everything that is compared, by the place where it stands.

    Args:
        notebook: As it was executed.
        recorded: What its claims and contrasts appended to their file.
        config: Which numbers are measurements, ``tests/nbval_sanitize.cfg``.
    """
    seen, sanitize = {}, sanitizer(config)
    for place, text in _parts(notebook, recorded):
        seen[f"{place}, text"] = sanitize(text)
        for number, found in enumerate(measurements(text, config), start=1):
            seen[f"{place}, number {number}"] = found
    for place, cell in enumerate(code_cells(notebook), start=1):
        for number, picture in enumerate(pictures(cell.outputs), start=1):
            digest = hashlib.sha256(picture.encode()).hexdigest()
            seen[f"cell {place}, picture {number}"] = digest
    return seen


@dataclass
class Comparison:
    """All runs of one notebook so far."""

    ordinary: list[Seen] = field(default_factory=list)
    ready: list[Seen] = field(default_factory=list)

    def determined(self) -> Seen:
        """Return what all ordinary runs agree on."""
        first, *others = self.ordinary
        return {
            place: what
            for place, what in first.items()
            if all(other.get(place) == what for other in others)
        }

    def _unlike(self) -> Iterator[tuple[str, bool]]:
        for place, what in self.determined().items():
            same = [each.get(place) == what for each in self.ready]
            if not all(same):
                yield place, any(same)

    def differing(self) -> list[str]:
        """Return the places where no ready kernel shows what all ordinary ones show."""
        return [place for place, any_same in self._unlike() if not any_same]

    def wobbling(self) -> list[str]:
        """Return those where some ready kernels do, and some do not."""
        return [place for place, any_same in self._unlike() if any_same]

    def row(self) -> list[str]:
        """Return what is told of it: counts, then what differs and what wobbles."""
        kinds = [place.rpartition(", ")[2].split()[0] for place in self.determined()]
        counts = [str(kinds.count(kind)) for kind in ("text", "number", "picture")]
        measured = {*self.ordinary[0]} - {*self.determined()}
        verdict = [
            f"{word}: {'; '.join(map(self._example, found))}"
            for word, found in (
                ("differs", self.differing()),
                ("wobbles", self.wobbling()),
            )
            if found
        ]
        runs = f"{len(self.ordinary)} + {len(self.ready)}"
        return [runs, *counts, str(len(measured)), ", ".join(verdict) or "equal"]

    def _example(self, place: str) -> str:
        before = self.ordinary[0][place]
        after = next(s.get(place, "") for s in self.ready if s.get(place) != before)
        start = len(os.path.commonprefix([before, after]))
        start = max(0, start - 20)
        texts = [each[start : start + 60].replace("|", "¦") for each in (before, after)]
        return f"{place} `{texts[0]}` `{texts[1]}`"


def _is_fork(notebook: NotebookNode) -> bool:
    last = notebook.cells.pop()
    return "True" in read_text(last.outputs)


def _run(notebook: NotebookNode, kernel: str, config: Path) -> Seen:
    notebook = nbformat.from_dict(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell(_IS_FORK))
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as cwd:
        file = Path(scratch, "recorded.jsonl")
        variables = {"COURSE_KERNEL": kernel, "COURSE_EVIDENCE": str(file)}
        run = execute_notebook(
            notebook,
            Path(cwd),
            environment={**ENVIRONMENT, **variables},
            timeout_seconds=_LIMIT,
        )
        recorded = file.read_text("utf-8") if file.exists() else ""
    if not run.failure and _is_fork(run.notebook) != (kernel == "ready"):
        raise RuntimeError(f"Expected a kernel that is {kernel} but got another.")
    return {**what_is_seen(run.notebook, recorded, config), "run, text": run.failure}


def compare(notebook: NotebookNode, config: Path, at_once: int = 1) -> Comparison:
    """Return the comparison of a notebook in ordinary and in ready kernels.

    Args:
        notebook: What to run; its stored outputs do not count.
        config: Which numbers are measurements, ``tests/nbval_sanitize.cfg``.
        at_once: How many kernels run it at the same time.

    Raises:
        RuntimeError: If a kernel did not start as it was asked to.
    """
    result = Comparison()

    def run_all(kernel: str) -> list[Seen]:
        with ThreadPoolExecutor(at_once) as pool:
            runs = [pool.submit(_run, notebook, kernel, config) for _ in range(at_once)]
        return [each.result() for each in runs]

    result.ordinary += run_all("ordinary")
    for _ in range(MOST_ROUNDS):
        result.ready += run_all("ready")
        result.ordinary += run_all("ordinary")
        if not result.differing() and not result.wobbling():
            break
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print a table; exit status 1 if something differs."""
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.authoring.compare_kernels",
        description="Compare every lesson and solution in ordinary and ready kernels.",
    )
    parser.add_argument("lessons", nargs="*", help="such as 07 12; all by default")
    parser.add_argument("--at-once", type=int, default=1, help="kernels at a time")
    chosen = parser.parse_args(arguments)
    root = Path.cwd()
    try:
        found = scripts(root, chosen.lessons)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    os.environ["COURSE_KERNEL"] = "ready"
    if ready_kernel.begin(wait=True) is None:
        print("Expected Linux without a GPU: no kernel is ready here.", file=sys.stderr)
        return 2
    heads = ("Notebook", "Runs", "Texts", "Numbers", "Pictures", "Measured", "Result")
    print(markdown_table(heads, []), flush=True)
    fine = True
    for script in found:
        path = script.with_suffix(".ipynb")
        comparison = compare(read_notebook(path), root / SANITIZE, chosen.at_once)
        fine = fine and not comparison.differing()
        row = [str(path.relative_to(root)), *comparison.row()]
        print(f"| {' | '.join(row)} |", flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
