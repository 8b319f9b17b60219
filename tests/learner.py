"""Write answers as a learner does: in the names that the notebook has defined."""

import builtins
import functools
import symtable
import textwrap
from typing import Any

import jupytext
import pytest

from course_utils import syllabus
from course_utils.authoring.answers import (
    NOTEBOOKS,
    last_definition,
    run_definitions,
)
from course_utils.authoring.compare_outputs import code_cells
from course_utils.exercises import api
from course_utils.exercises.api import CheckResult
from course_utils.exercises.exercise import Exercise

LESSON = "12_common_pitfalls"  # whose names an answer sees if no lesson is given
IMPORTS = """
import copy, functools, random, sys
import lightning as L
import numpy as np
import torch
import torchmetrics
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split
from torchmetrics.classification import MulticlassF1Score
from torchmetrics.functional.classification import multiclass_f1_score
"""


def cells(lesson_file: str) -> list[Any]:
    """Return the code cells of a notebook."""
    return code_cells(jupytext.read(NOTEBOOKS / f"{lesson_file}.py"))


def cells_above(practice: str) -> list[str]:
    """Return the sources of a lesson's code cells above the starter of a practice."""
    sources = [cell.source for cell in cells(syllabus.load().lesson_of(practice).file)]
    check = next(i for i, s in enumerate(sources) if f'check("{practice}"' in s)
    return sources[: check - 1]


def _top_level(source: str) -> list[symtable.Symbol]:
    return symtable.symtable(source, "<cell>", "exec").get_symbols()


def imported_names(source: str) -> set[str]:
    """Return the names that the top level of ``source`` imports."""
    return {s.get_name() for s in _top_level(source) if s.is_imported()}


def bound_names(source: str) -> set[str]:
    """Return the names that the top level of ``source`` assigns or imports."""
    assigned = {s.get_name() for s in _top_level(source) if s.is_assigned()}
    return assigned | imported_names(source)


def global_names(source: str) -> set[str]:
    """Return the names that ``source`` reads, at any depth, and does not define."""
    tables, found = [symtable.symtable(source, "<cell>", "exec")], set[str]()
    for table in tables:
        top = table.get_type() == "module"
        found |= {
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (top or s.is_global())
        }
        tables += table.get_children()
    return found - bound_names(source) - set(dir(builtins))


@functools.cache
def lesson_names(lesson_file: str = LESSON) -> dict[str, Any]:
    """Return the modules and classes that a lesson gives its learners."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(IMPORTS, names)
    run_definitions(cells(lesson_file), names)
    return names


def answer(source: str, lesson_file: str = LESSON) -> Any:
    """Return the last class, function or other callable that ``source`` defines."""
    return last_definition(source, lesson_names(lesson_file))


def classifier(body: str, init: str = "", base: str = "DigitClassifier") -> str:
    """Return a class that extends a lesson's base by ``init`` lines and methods."""
    return _subclass(base, body, init)


def denoiser(body: str, init: str = "") -> str:
    """Return a class that extends Denoiser by ``init`` lines and methods."""
    return _subclass("Denoiser", body, init)


def _subclass(base: str, body: str, init: str) -> str:
    lines = [f"class Answer({base}):"]
    if init:
        lines += ["    def __init__(self):", "        super().__init__()"]
        lines += textwrap.indent(textwrap.dedent(init).strip(), " " * 8).splitlines()
    return "\n".join([*lines, textwrap.indent(textwrap.dedent(body).strip(), "    ")])


def judged(practice: str, source: str) -> CheckResult:
    """Return the verdict on an answer given as source."""
    lesson = syllabus.load().lesson_of(practice)
    file = LESSON if practice.startswith("0.") else lesson.file
    return api.judge(api.find(practice), answer(source, file))


# Answers of each table that `make test` judges; `make test-slow` judges the rest.
FAST = 6


def each_answer(names: str, tables: dict[str, dict[str, Any]]) -> pytest.MarkDecorator:
    """Return a mark that runs a test with every case of every practice's table.

    Args:
        names: Arguments of the test, the first is the practice.
        tables: By practice and name: a source, or a source and words of its message.
    """
    cases = [
        pytest.param(
            practice,
            *([case] if isinstance(case, str) else case),
            id=f"{practice} {name}",
            marks=[pytest.mark.slow] if number >= FAST else [],
        )
        for practice, table in tables.items()
        for number, (name, case) in enumerate(table.items())
    ]
    return pytest.mark.parametrize(names, cases)


def assert_correct(practice: str, source: str) -> None:
    """Fail unless an answer is judged correct."""
    result = judged(practice, source)
    assert result.status == "correct", result


def assert_incorrect(practice: str, source: str, message: str) -> None:
    """Fail unless an answer is judged incorrect, with these words in the message."""
    result = judged(practice, source)
    assert (result.status, message in result.message) == ("incorrect", True), result


def exercises() -> list[Exercise]:
    """Return every exercise of every lesson that is ready."""
    ready = [p for lesson in syllabus.load().ready for p in lesson.practices]
    return [api.find(practice.id) for practice in ready]
