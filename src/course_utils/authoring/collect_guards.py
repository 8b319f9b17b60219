"""Make `course_utils.guards` from the notebooks' guard cells: part of ``make sync``."""

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import jupytext

from course_utils import syllabus
from course_utils.authoring.compare_outputs import tags
from course_utils.syllabus import Lesson, Practice

MODULE = Path("src", "course_utils", "guards.py")
HEADER = '''\
"""The guards of the lessons: each raises an error where a practice is not kept.

Made by ``make sync`` from the notebooks; change a guard there. Each is tried in its
lesson on a bad and a good version. Where a guard holds a number or a name that suits
the lesson only (a limit, a precision, a field of the batch), copy it and change that.
"""

import contextlib
import doctest
import inspect
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.profilers import SimpleProfiler
from torch import Tensor, nn
'''
# What the guards' parameters are, by name; the others are of any type.
TYPES = {
    **{"model": "nn.Module", "fresh": "nn.Module", "images": "Tensor"},
    **{"trainer": "L.Trainer", "datamodule": "L.LightningDataModule"},
    **{"pl_module": "L.LightningModule", "module": "L.LightningModule"},
    **{"optimizer": "torch.optim.Optimizer", "batch_idx": "int"},
    **{"profiler": "SimpleProfiler", "name": "str", "most": "float"},
    **{"megabytes": "float", "needed": "bool", "sizes": "tuple[int, int]"},
    **{"path": "str | Path", "state": "dict[str, Tensor]"},
    **dict.fromkeys(("loss", "step", "train", "validate"), "Callable[..., Any]"),
    **dict.fromkeys(("make_loader", "make_model"), "Callable[[], Any]"),
    "make_val_loader": "Callable[[], Any]",
}  # fmt: skip
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def _annotations(
    function: ast.FunctionDef, line: str
) -> Iterator[tuple[int, int, str]]:
    """Yield line, column and text of what a function's signature is given."""
    given = function.args
    listed = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    for each in [*listed, *filter(None, (given.vararg, given.kwarg))]:
        if each.arg != "self":
            yield (
                each.lineno,
                each.end_col_offset or 0,
                f": {TYPES.get(each.arg, 'Any')}",
            )
    nodes = list(ast.walk(function))
    returns = any(isinstance(n, ast.Return) and n.value for n in nodes)
    column = line.rindex("):") + 1  # a guard's signature is one line
    yield function.lineno, column, f" -> {'Any' if returns else 'None'}"


def _annotated(code: str) -> str:
    lines = code.splitlines()
    functions = [n for n in ast.walk(ast.parse(code)) if isinstance(n, _FUNCTION)]
    given = [
        each
        for function in functions
        for each in _annotations(function, lines[function.lineno - 1])
    ]
    for number, column, text in reversed(given):  # from the right, so that places hold
        line = lines[number - 1]
        lines[number - 1] = line[:column] + text + line[column:]
    return "\n".join(lines)


def _docstring(practice: Practice, lesson: Lesson, prose: str) -> str:
    """Return what the lesson says of a guard, as an indented docstring."""
    said = " ".join(prose.partition("### Take along")[2].split())
    if said.startswith("Each practice ends with"):  # what a guard is
        said = said.partition(". ")[2]
    if said.endswith(":"):
        said = f"{said[:-1]}."
    first = f'"""Practice {practice.id}: {practice.title}.'
    text = "\n\n".join([first, textwrap.fill(said, 84), f"Lesson {lesson.file}."])
    return textwrap.indent(f'{text}\n"""', "    ")


def _guard(practice: Practice, lesson: Lesson, prose: str, code: str) -> str:
    tree = ast.parse(code)
    node = tree.body[-1]
    if not isinstance(node, _FUNCTION | ast.ClassDef):
        raise ValueError(f"Expected the guard of {practice.id} to end in def or class.")
    lines = _annotated(code).splitlines()[node.lineno - 1 :]
    lines.insert(1, _docstring(practice, lesson, prose))
    return "\n".join(lines)


def _of_lesson(root: Path, lesson: Lesson) -> Iterator[str]:
    cells = jupytext.read(root / "notebooks" / f"{lesson.file}.py").cells
    found = [
        (before.source, cell.source)
        for before, cell in zip(cells, cells[1:], strict=False)
        if "guard" in tags(cell)
    ]
    if len(found) != len(lesson.practices):
        raise ValueError(
            f"Expected {len(lesson.practices)} cells tagged 'guard' in {lesson.file}, "
            f"one for each practice, but got {len(found)}."
        )
    for practice, (prose, code) in zip(lesson.practices, found, strict=True):
        yield _guard(practice, lesson, prose, code)


def collect(root: Path) -> str:
    """Return the text of the module.

    Args:
        root: The course's top folder.

    Raises:
        ValueError: If a lesson does not hold one guard for each practice.
    """
    lessons = [each for each in syllabus.load().ready if each.practices]
    guards = [guard for lesson in lessons for guard in _of_lesson(root, lesson)]
    names = [ast.parse(textwrap.dedent(each)).body[0].name for each in guards]
    public = f"__all__ = {sorted(names)!r}"
    code = "\n\n\n".join([f"{HEADER}\n{public}", *guards]) + "\n"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-"],
        input=code.encode(),
        stdout=subprocess.PIPE,
        check=True,
        cwd=root,
    )
    return done.stdout.decode()


if __name__ == "__main__":
    MODULE.write_text(collect(Path.cwd()), "utf-8")
