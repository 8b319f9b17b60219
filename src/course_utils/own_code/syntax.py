"""Small questions about a syntax tree that many rules ask."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
STEPS = ("training_step", "validation_step", "test_step", "predict_step")


def dotted(node: ast.AST | None) -> str:
    """Return ``"torch.nn.Linear"`` for such an expression, ``""`` for any other.

    Example:
        >>> dotted(ast.parse("torch.nn.Linear", mode="eval").body)
        'torch.nn.Linear'
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def last(node: ast.AST | None) -> str:
    """Return the last name of what is called or read: ``x.y().randn`` → ``randn``."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_self(node: ast.AST | None, name: str = "") -> bool:
    """Return whether a node reads ``self.name``, or any attribute of ``self``."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
        and name in ("", node.attr)
    )


def calls(node: ast.AST | Iterable[ast.AST], *names: str) -> list[ast.Call]:
    """Return the calls inside ``node`` whose last name is one of ``names``."""
    found = [each for each in inside(node) if isinstance(each, ast.Call)]
    return [each for each in found if not names or last(each) in names]


def inside(node: ast.AST | Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield ``node`` and all nodes below it; those of a scope are kept for later."""
    for each in [node] if isinstance(node, ast.AST) else node:
        if not isinstance(each, Scope | ast.Module):
            yield from ast.walk(each)
            continue
        if not hasattr(each, "inside"):
            each.inside = tuple(ast.walk(each))  # type: ignore[union-attr]
        yield from each.inside  # type: ignore[union-attr]


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope in their order, without those of scopes inside it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, Scope):
            yield from own_nodes(child)


def parents(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes around ``node``, from the inside out."""
    while parent := getattr(node, "parent", None):
        yield parent
        node = parent


def scope_of(node: ast.AST) -> ast.AST:
    """Return the function, class or module in which a node stands."""
    return next(p for p in parents(node) if isinstance(p, Scope | ast.Module))


def statement_of(node: ast.AST) -> ast.stmt | None:
    """Return the statement in which a node stands."""
    around = (node, *parents(node))
    return next((each for each in around if isinstance(each, ast.stmt)), None)


def block_of(statement: ast.stmt | None) -> list[ast.stmt] | None:
    """Return the block in which a statement stands, a loop's body for example."""
    parent = getattr(statement, "parent", None)
    blocks = [value for _, value in ast.iter_fields(parent)] if parent else []
    return next((b for b in blocks if isinstance(b, list) and statement in b), None)


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """Return an argument of a call by its name, or by its position from 0."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    plain = [a for a in call.args if not isinstance(a, ast.Starred)]
    if position is not None and len(plain) == len(call.args) > position:
        return call.args[position]
    return None


def unknown_arguments(call: ast.Call) -> bool:
    """Return whether a call passes ``*args`` or ``**options``."""
    starred = any(isinstance(each, ast.Starred) for each in call.args)
    return starred or any(each.arg is None for each in call.keywords)


def literal(node: ast.AST | None, default: Any = None) -> Any:
    """Return the value of a literal, ``default`` for any other expression."""
    try:
        return ast.literal_eval(node) if isinstance(node, ast.expr) else default
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return default


def names_in(node: ast.AST | None) -> set[str]:
    """Return the plain names that an expression reads."""
    found = ast.walk(node) if node is not None else ()
    return {each.id for each in found if isinstance(each, ast.Name)}


def parameters(function: Any) -> list[tuple[ast.arg, ast.expr | None]]:
    """Return a function's parameters but ``self``, each with its default."""
    args = function.args
    plain = [*args.posonlyargs, *args.args]
    defaults = [*[None] * (len(plain) - len(args.defaults)), *args.defaults]
    pairs = [*zip(plain, defaults, strict=True)]
    pairs += zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return [(a, d) for a, d in pairs if a.arg not in ("self", "cls")]


def targets(node: ast.AST) -> list[ast.expr]:
    """Return what a statement assigns to, tuples taken apart."""
    if isinstance(node, ast.Assign):
        found = list(node.targets)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For):
        found = [node.target]
    else:
        return []
    flat: list[ast.expr] = []
    while found:
        each = found.pop(0)
        if isinstance(each, ast.Tuple | ast.List):
            found = [*each.elts, *found]
        else:
            flat.append(each)
    return flat
