"""Run an answer as in a lesson's kernel: in the names that the notebook defines."""

import ast
import functools
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jupytext

from course_utils import syllabus
from course_utils.authoring.compare_outputs import code_cells, tags

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"


def _is_given(node: ast.stmt) -> bool:
    """Return whether a statement gives learners a module, a class, a size or a hint."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.value).startswith(("Annotated[", "ImageDataModule("))
    return isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef)


def run_definitions(cells: Iterable[Any], names: dict[str, Any]) -> None:
    """Run in ``names`` the imports and classes of cells; nothing is measured."""
    for cell in cells:
        if not {"setup", "exercise"} & set(tags(cell)):
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if _is_given(node)]
            exec(compile(tree, "<notebook>", "exec"), names)


@functools.cache
def names_above(practice: str) -> dict[str, Any]:
    """Return the modules and classes that a learner has above a practice's exercise."""
    lesson = syllabus.load().lesson_of(practice)
    cells = code_cells(jupytext.read(NOTEBOOKS / f"{lesson.file}.py"))
    exercises = [n for n, cell in enumerate(cells) if "exercise" in tags(cell)]
    place = [each.id for each in lesson.practices].index(practice)
    names: dict[str, Any] = {"__name__": "__main__"}
    run_definitions(cells[: exercises[place]], names)
    return names


def last_definition(source: str, given: dict[str, Any]) -> Any:
    """Run ``source`` in a copy of the given names.

    Returns:
        The last class, function or other callable that it defines.
    """
    names = dict(given)
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), names)
    made = [value for name, value in names.items() if value is not given.get(name)]
    return next(value for value in reversed(made) if callable(value))
