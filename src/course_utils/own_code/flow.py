"""Where do the values of a method come from? Followed by lines, not by branches."""

import ast
from collections.abc import Iterator

from course_utils.own_code.classes import Class, Function
from course_utils.own_code.syntax import (
    dotted,
    inside,
    is_self,
    last,
    literal,
    own_nodes,
)

_LOOKS = ("no_grad", "inference_mode", "set_grad_enabled")


def value_of(name: str, at: ast.AST, scope: ast.AST) -> ast.expr | None:
    """Return the expression that a name was last given above ``at``."""
    found: ast.expr | None = None
    for node in own_nodes(scope):
        above = isinstance(node, ast.Assign) and node.lineno < getattr(at, "lineno", 0)
        if above and any(getattr(t, "id", "") == name for t in node.targets):
            found = node.value
    return found


def resolved(node: ast.expr | None, at: ast.AST, scope: ast.AST) -> ast.expr | None:
    """Return what a plain name stands for, any other expression as it is."""
    for _ in range(3):
        value = value_of(node.id, at, scope) if isinstance(node, ast.Name) else None
        if value is None or value is node:
            return node
        at, node = value, value
    return node


def constant_in(cls: Class, node: ast.expr | None) -> object:
    """Return the value of a literal, or of a class attribute that is one.

    ``self.names[1]`` is the second of ``names = "loss", "loss"``. ``None`` if unknown.
    """
    if isinstance(node, ast.Subscript):
        whole, index = constant_in(cls, node.value), literal(node.slice)
        fits = isinstance(whole, tuple | list) and isinstance(index, int)
        return whole[index] if fits and -len(whole) <= index < len(whole) else None
    if is_self(node):
        return literal(cls.constant(node.attr))  # type: ignore[union-attr]
    return literal(node)


def looks_only(node: ast.AST, within: ast.AST) -> bool:
    """Return whether a node stands in a block, or function, without gradients."""
    parent = getattr(node, "parent", None)
    while parent is not None:
        if isinstance(parent, ast.With):
            items = [last(item.context_expr) for item in parent.items]
            if any(name in _LOOKS for name in items):
                return True
        if isinstance(parent, Function) and is_decorated(parent, *_LOOKS):
            return True
        if parent is within:
            return False
        parent = getattr(parent, "parent", None)
    return False


def is_decorated(function: Function, *names: str) -> bool:
    """Return whether a function has a decorator of one of these names."""
    return any(last(each) in names for each in function.decorator_list)


def is_trivial(function: Function) -> bool:
    """Return whether a function does nothing, or only raises: an abstract method."""
    body = [
        each
        for each in function.body
        if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    ]
    nothing = all(isinstance(each, ast.Pass | ast.Raise) for each in body)
    return nothing or is_decorated(function, "abstractmethod", "overload")


def optimizes_by_hand(cls: Class) -> bool:
    """Return whether a class turns automatic optimization off, somewhere."""
    for each in cls.lineage:
        for node in inside(each.node):
            name = getattr(node, "name", "") if isinstance(node, Function) else ""
            if name == "automatic_optimization":
                return True
            if isinstance(node, ast.Assign | ast.AnnAssign):
                given = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(last(t) == "automatic_optimization" for t in given):
                    return literal(node.value, default=False) is not True
    return False


def batch_name(step: Function) -> str:
    """Return what a step calls its batch, ``""`` if it takes none."""
    args = [*step.args.posonlyargs, *step.args.args]
    return args[1].arg if len(args) > 1 else ""


def _part_of(value: ast.expr, batch: str, tensors: set[str]) -> str:
    """Return ``"batch"``, ``"part"``, or ``""`` for what an expression names."""
    if isinstance(value, ast.Name):
        return "batch" if value.id == batch else "part" * (value.id in tensors)
    whole = isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name)
    simple = whole and isinstance(literal(value.slice), int | str)
    return "part" if simple and value.value.id == batch else ""


def _renamed(node: ast.AST, batch: str, tensors: set[str]) -> set[str]:
    """Return which names stand for tensors of the batch after a statement."""
    if isinstance(node, ast.For | ast.AnnAssign):
        return tensors - {n.id for n in inside(node.target) if isinstance(n, ast.Name)}
    if not isinstance(node, ast.Assign):
        return tensors
    kind = _part_of(node.value, batch, tensors) if batch else ""
    after = set(tensors)
    for target in node.targets:
        if isinstance(target, ast.Tuple | ast.List):
            plain = {e.id for e in target.elts if isinstance(e, ast.Name)}
            after = after | plain if kind == "batch" else after - plain
            pairs = zip(target.elts, getattr(node.value, "elts", ()), strict=False)
            for one, value in pairs:
                if isinstance(one, ast.Name) and _part_of(value, batch, tensors):
                    after.add(one.id)
        elif isinstance(target, ast.Name):
            after = after | {target.id} if kind == "part" else after - {target.id}
    return after


def batch_parts(step: Function) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Yield each node of a step with the names that stand for tensors of its batch.

    A name counts until it is given another value: to the end of that statement.
    """
    batch, tensors, given = batch_name(step), set[str](), None
    nodes = sorted(
        (n for n in own_nodes(step) if hasattr(n, "lineno")),
        key=lambda n: (n.lineno, n.col_offset),
    )
    for node in nodes:
        end = (given.end_lineno, given.end_col_offset) if given else (0, 0)
        if given is not None and (node.lineno, node.col_offset) >= end:
            tensors, given = _renamed(given, batch, tensors), None
        yield node, frozenset(tensors)
        if isinstance(node, ast.For):
            tensors = _renamed(node, batch, tensors)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            given = node


def imported_as(cls: Class, node: ast.AST) -> str:
    """Return the full name of what an expression names: ``F.relu`` in torch's words."""
    name = dotted(node)
    first, _, rest = name.partition(".")
    full = cls.source.imports.get(first, first)
    return f"{full}.{rest}" if rest else full
