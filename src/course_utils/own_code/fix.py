"""Rewrite code where that is safe, and leave the rest of its text as it is."""

import ast
import importlib.util
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.own_code.registry import Edit
from course_utils.own_code.source import Source

if TYPE_CHECKING:
    import libcst as cst

NEEDS_LIBCST = (
    "Expected libcst for --fix but it is not installed: run `python -m pip install "
    "libcst` and try again."
)


def check_libcst() -> None:
    """Check that libcst can be imported.

    Raises:
        ValueError: If it is not installed.
    """
    if importlib.util.find_spec("libcst") is None:
        raise ValueError(NEEDS_LIBCST)


def _new_tensor(node: Any) -> Any:
    """``x += y`` becomes ``x = x + y``, a new tensor."""
    import libcst as cst

    name = type(node.operator).__name__.removesuffix("Assign")
    value = node.value
    if not value.lpar and not isinstance(value, cst.Name | cst.Call | cst.Attribute):
        value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    total = cst.BinaryOperation(node.target, getattr(cst, name)(), value)
    return cst.Assign([cst.AssignTarget(node.target)], total)


def _made_there(node: Any, device: str) -> Any:
    """``torch.zeros(2).to(d)`` becomes ``torch.zeros(2, device=d)``."""
    import libcst as cst

    made = node.func.value
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    value = cst.parse_expression(device)
    return made.with_changes(
        args=[*made.args, cst.Arg(value, cst.Name("device"), equal)]
    )


def _buffer(node: Any, name: str) -> Any:
    """``self.x = value`` becomes ``self.register_buffer("x", value, ...)``."""
    import libcst as cst

    call = cst.parse_expression(f'self.register_buffer("{name}", 0, persistent=False)')
    args = [call.args[0], call.args[1].with_changes(value=node.value), call.args[2]]
    return cst.Expr(call.with_changes(args=args))


_REWRITES = {"new_tensor": _new_tensor, "made_there": _made_there, "buffer": _buffer}
_NODES = {"new_tensor": "AugAssign", "made_there": "Call", "buffer": "Assign"}


def rewritten(text: str, edits: Iterable[Edit], before: int = 0) -> str:
    """Return a text with some nodes rewritten.

    Args:
        text: The code of a file, or of a notebook's cell.
        edits: What to rewrite; places are those of the syntax tree.
        before: Lines of the tree above this text, for a cell.

    Raises:
        ValueError: If libcst is not installed.
    """
    check_libcst()
    import libcst as cst
    from libcst.metadata import MetadataWrapper, PositionProvider

    wanted = {
        (e.node.lineno - before, e.node.col_offset, _NODES[e.kind]): e  # type: ignore[attr-defined]
        for e in edits
    }

    class Rewriter(cst.CSTTransformer):
        METADATA_DEPENDENCIES = (PositionProvider,)

        def on_leave(self, original: "cst.CSTNode", updated: Any) -> Any:
            updated = super().on_leave(original, updated)
            if type(original).__name__ not in _NODES.values():
                return updated
            start = self.get_metadata(PositionProvider, original).start
            column = len(lines[start.line - 1][: start.column].encode("utf-8"))
            edit = wanted.get((start.line, column, type(original).__name__))
            if edit is None or not _is_the_node(original, edit.node):
                return updated
            return _REWRITES[edit.kind](updated, *edit.values)

    module = cst.parse_module(text)
    lines = text.splitlines()
    return MetadataWrapper(module).visit(Rewriter()).code


def _is_the_node(node: Any, wanted: ast.AST) -> bool:
    """Return whether a node of libcst is that of the tree: calls begin in one place."""
    import libcst as cst

    if not isinstance(node, cst.Call):
        return True
    code = cst.Module([]).code_for_node(node)
    try:
        return ast.dump(ast.parse(f"({code})", mode="eval").body) == ast.dump(wanted)
    except SyntaxError:
        return False


def _save_notebook(source: Source, edits: Sequence[Edit]) -> None:
    text = source.path.read_text("utf-8")
    content = json.loads(text)
    cells = [c for c in content["cells"] if c.get("cell_type") == "code"]
    for place, cell in zip(source.cells, cells, strict=True):
        own = [
            e
            for e in edits
            if source.place(e.node.lineno)[0] == place.number  # type: ignore[attr-defined]
        ]
        if own:
            code = rewritten("".join(cell["source"]), own, place.before)
            as_list = isinstance(cell["source"], list)
            cell["source"] = code.splitlines(keepends=True) if as_list else code
    indent = 1 if text.startswith('{\n "') else 2 if text.startswith('{\n  "') else None
    end = "\n" if text.endswith("\n") else ""
    source.path.write_text(
        json.dumps(content, indent=indent, ensure_ascii=False) + end, "utf-8"
    )


def repair(edits: Iterable[tuple[Source, Edit]]) -> list[Path]:
    """Rewrite the files of some edits, and return which ones were written.

    Raises:
        ValueError: If libcst is not installed.
    """
    check_libcst()
    by_source: dict[Path, tuple[Source, list[Edit]]] = {}
    for source, edit in edits:
        by_source.setdefault(source.path, (source, []))[1].append(edit)
    for source, own in by_source.values():
        if source.cells:
            _save_notebook(source, own)
        else:
            with source.path.open(encoding="utf-8", newline="") as file:
                text = file.read()
            with source.path.open("w", encoding="utf-8", newline="") as file:
                file.write(rewritten(text, own))
    return list(by_source)
