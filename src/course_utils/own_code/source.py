"""A file of somebody's code: its syntax tree, its imports, and what it leaves out."""

import ast
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_IGNORE = re.compile(r"#\s*course:\s*ignore(?:\[(?P<ids>[^\]]*)\])?")
_MAGIC = re.compile(r"^\s*[%!?]|^[^#'\"]*\?\s*$")


@dataclass(frozen=True)
class Cell:
    """A notebook's code cell: its number from 1, and the line before its first one."""

    number: int
    before: int


@dataclass(frozen=True)
class Source:
    """The code of one file.

    Attributes:
        path: The file.
        name: As it is shown.
        text: Its code; a notebook's cells one after the other, magics left out.
        tree: Its syntax tree; each node but the root has a ``parent``.
        cells: A notebook's code cells, ``()`` for other files.
    """

    path: Path
    name: str
    text: str
    tree: ast.Module
    cells: tuple[Cell, ...] = ()

    def place(self, line: int) -> tuple[int, int]:
        """Return cell and line within it for a line of `text`; cell 0 in a script."""
        for cell in reversed(self.cells):
            if line > cell.before:
                return cell.number, line - cell.before
        return 0, line

    @functools.cached_property
    def imports(self) -> dict[str, str]:
        """What each imported name stands for, ``{"F": "torch.nn.functional"}``."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.split(".")[0]
                    found[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom):
                origin = "." * node.level + (node.module or "")
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{origin}.{alias.name}"
        return found

    @functools.cached_property
    def ignored(self) -> dict[int, tuple[str, ...]]:
        """Practices that a comment answers, by line; ``("*",)`` is all of them.

        A comment counts for its own line; alone on a line, for the next one.
        """
        found: dict[int, tuple[str, ...]] = {}
        for number, line in enumerate(self.text.splitlines(), 1):
            if match := _IGNORE.search(line):
                ids = match["ids"]
                patterns = tuple(p.strip() for p in (ids or "*").split(",") if p)
                own = not line.strip().startswith("#")
                found[number if own else number + 1] = patterns
        return found

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree."""
        return tuple(ast.walk(self.tree))


def _link(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node  # type: ignore[attr-defined]
    return tree


def _without_magics(code: str) -> str:
    if code.lstrip().startswith("%%"):
        return "\n".join("#" for _ in code.splitlines())
    lines = code.splitlines()
    return "\n".join(
        re.sub(r"\S.*", "pass", line) if _MAGIC.match(line) else line for line in lines
    )


def _cells_of(path: Path) -> Iterator[str]:
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell.get("cell_type") == "code":
            yield "".join(cell["source"])


def read_source(path: Path, name: str | None = None) -> Source:
    """Return the code of a ``.py`` or ``.ipynb`` file.

    Raises:
        ValueError: If it cannot be read, or is not Python, in one sentence.
    """
    name = name or str(path)
    try:
        if path.suffix == ".ipynb":
            texts = [_without_magics(code) for code in _cells_of(path)]
        else:
            texts = [path.read_text("utf-8-sig")]
    except (OSError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise ValueError(f"{name} cannot be read: {error}.") from error
    cells, before = [], 0
    for number, text in enumerate(texts, 1):
        cells.append(Cell(number, before))
        before += text.count("\n") + 1
    code = "\n".join(texts)
    try:
        tree = _link(ast.parse(code, filename=name))
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ValueError(f"{name} is not Python that can be read{line}.") from error
    return Source(path, name, code, tree, tuple(cells) if path.suffix != ".py" else ())
