"""The rooms of ``course_utils`` in their order, and which of them imports which.

CONTRIBUTING's table and picture are made from this; ``tests/test_rooms.py`` keeps the
rules.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from course_utils.formatting import markdown_table

PACKAGE = Path(__file__).parents[1]
# From the ground up: a room imports only from those before it. The single modules of
# the package lie below all of them.
ROOMS = (
    *("data", "distributed", "measure", "experiments", "checks", "exercises"),
    *("capstone", "ready_kernel", "own_code", "authoring", "cli"),
)


@cache
def modules() -> dict[str, Path]:
    """Return the file of every module, by its dotted name."""
    return {
        f"{PACKAGE.name}.{path.relative_to(PACKAGE).with_suffix('')}".replace(
            "/", "."
        ).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports_in(code: str) -> Iterator[tuple[str, str]]:
    """Yield each import from ``course_utils`` in ``code``, also inside functions.

    Yields:
        The dotted name after ``import`` or ``from``, and the name imported from it;
        ``""`` after a plain ``import``.
    """
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from (each for each in found if each[0].split(".")[0] == PACKAGE.name)


def _module_of(origin: str, name: str) -> str:
    # `from a import b` imports a module b of a, or a name that a defines.
    return f"{origin}.{name}" if f"{origin}.{name}" in modules() else origin


def room_of(module: str) -> str:
    """Return the room in which a module lies: the second part of its dotted name."""
    return module.split(".")[1] if "." in module else ""


def rank(room: str) -> int:
    """Return how many rooms lie below; -1 for a single module of the package."""
    return ROOMS.index(room) if room in ROOMS else -1


@cache
def imports() -> dict[str, frozenset[str]]:
    """Return the modules of ``course_utils`` that each of them imports."""
    return {
        name: frozenset(
            _module_of(*each) for each in imports_in(path.read_text("utf-8"))
        )
        for name, path in modules().items()
    }


def _holds(name: str) -> str:
    docstring = ast.get_docstring(ast.parse(modules()[name].read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]


def table() -> str:
    """Return the rooms and what they hold as a Markdown table, from the ground up."""
    single = [
        name.split(".")[1]
        for name in modules()
        if name.count(".") == 1 and rank(room_of(name)) < 0 and "._" not in name
    ]
    rows = [(f"`{n}`", _holds(f"{PACKAGE.name}.{n}")) for n in (*single, *ROOMS)]
    return markdown_table(("In `src/course_utils`", "What it holds"), rows)


def picture() -> str:
    """Return who imports whom as a Mermaid diagram, which GitHub draws."""
    arrows = {
        (room_of(name), room_of(module))
        for name, imported in imports().items()
        for module in imported
        if min(rank(room_of(name)), rank(room_of(module))) >= 0
        and room_of(name) != room_of(module)
    }
    lines = [f"    {one} --> {other}" for one, other in sorted(arrows)]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])
