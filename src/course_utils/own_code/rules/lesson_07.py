"""7.2 a loss divided twice, 7.4 graphs that are kept, 7.5 weights in two bytes."""

import ast
from collections.abc import Iterator

from course_utils.own_code.classes import Class, Function, Project
from course_utils.own_code.flow import (
    imported_as,
    looks_only,
    optimizes_by_hand,
    resolved,
)
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    calls,
    inside,
    is_self,
    last,
    literal,
    names_in,
    targets,
)

# What cuts a value off its graph, or has no gradient anyway.
_CUTS = ("detach", "item", "tolist", "numpy", "float", "int", "len", "str", "argmax",
         "data", "size", "long", "bool", "eq", "unique", "topk",
         "decode", "update", "compute", "deepcopy", "detach_")  # fmt: skip


@rule("7.2")
def divided_twice(source: Source, project: Project) -> Iterator[Seen]:
    """Find losses divided by the number of batches that Lightning divides by."""
    for cls in project.of(source, "module"):
        step = cls.methods.get("training_step")
        if step is None or optimizes_by_hand(cls) or not cls.complete:
            continue
        for node in inside(step):
            if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(
                node.op, ast.Div
            ):
                by = node.right if isinstance(node, ast.BinOp) else node.value
                if "accumulate_grad_batches" in last(by):
                    yield Seen(
                        node,
                        "The loss is divided by `accumulate_grad_batches` here, and "
                        "once more by Lightning.",
                        "Return the loss of the batch as it is.",
                        severity="error",
                    )


def _without_graph(step: Function) -> set[str]:
    """Return the names that a step gives a value in a block without gradients."""
    return {
        target.id
        for node in inside(step)
        if looks_only(node, step)
        for target in targets(node)
        if isinstance(target, ast.Name)
    }


def _has_graph(value: ast.expr, at: ast.AST, step: Function, cls: Class) -> bool:
    """Return whether a value surely hangs on the graph of this step."""
    if names_in(value) & _without_graph(step):
        return False
    value = resolved(value, at, step) or value
    if names_in(value) & _without_graph(step):
        return False
    if isinstance(value, ast.Dict | ast.List | ast.Tuple):
        parts = value.values if isinstance(value, ast.Dict) else value.elts
        return any(_kept(each, at, step, cls) for each in parts)
    if not isinstance(value, ast.Call):
        return False
    if any(
        last(c) in _CUTS
        for c in inside(value)
        if isinstance(c, ast.Call | ast.Attribute)
    ):
        return False
    called = value.func
    while isinstance(called, ast.Attribute) and isinstance(called.value, ast.Call):
        called = called.value.func  # `self.net(x).mean()` is asked of `self.net`
    if isinstance(called, ast.Name):
        return called.id == "self"
    if is_self(called):
        return _is_computed(cls, called.attr)  # type: ignore[union-attr]
    return imported_as(cls, called).startswith("torch.nn.functional.")


def _is_computed(cls: Class, name: str) -> bool:
    """Return whether ``self.name(...)`` is a network, or a method that calls one."""
    if name == "forward":
        return True
    if method := cls.method(name):
        if any(each in ast.unparse(method) for each in ("detach", "no_grad", "item()")):
            return False
        return any(
            isinstance(c.func, ast.Name) and c.func.id == "self" for c in calls(method)
        )
    made = [
        node.value
        for each in cls.lineage
        for node in inside(each.node)
        if isinstance(node, ast.Assign) and any(is_self(t, name) for t in node.targets)
    ]
    return any(
        isinstance(m, ast.Call)
        and imported_as(cls, m.func).startswith("torch.nn.")
        and not last(m).endswith("Loss")
        for m in made
    )


def _returned(step: Function) -> set[str]:
    """Return the names in what a step returns: their backward pass frees the graph."""
    found = [n.value for n in inside(step) if isinstance(n, ast.Return) and n.value]
    return {n.id for each in found for n in inside(each) if isinstance(n, ast.Name)}


def _kept(value: ast.expr, at: ast.AST, step: Function, cls: Class) -> bool:
    loss = isinstance(value, ast.Name) and value.id in _returned(step)
    return not loss and _has_graph(value, at, step, cls)


@rule("7.4")
def graphs_are_collected(source: Source, project: Project) -> Iterator[Seen]:
    """Find training steps that collect what still hangs on its graph."""
    for cls in project.of(source, "module"):
        step = cls.methods.get("training_step")
        for call in calls(step, "append") if step else ():
            if not isinstance(call.func, ast.Attribute) or not is_self(call.func.value):
                continue
            if len(call.args) != 1 or looks_only(call, step):
                continue
            if _kept(call.args[0], call, step, cls):
                kept = ast.unparse(call.func.value)
                yield Seen(
                    call,
                    f"`{kept}` collects a value with its graph: each batch keeps all "
                    "its activations.",
                    "Append `value.detach()`, or log it.",
                )


def _precisions(source: Source) -> Iterator[tuple[ast.AST, str]]:
    for node in source.nodes:
        if isinstance(node, ast.keyword) and node.arg == "precision":
            if last(node.parent) != "Trainer":  # type: ignore[attr-defined]
                continue
            yield node.value, str(literal(node.value))
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if literal(key) == "precision":
                    yield value, str(literal(value))


@rule("7.5", "note")
def weights_in_two_bytes(source: Source, project: Project) -> Iterator[Seen]:
    """Find precisions that keep the weights themselves in 16 bits."""
    for node, name in _precisions(source):
        if name in ("bf16-true", "16-true"):
            yield Seen(
                node,
                f'"{name}" keeps the weights in two bytes: small updates, as in '
                "fine-tuning, are rounded away.",
                f'To train, `precision="{name.removesuffix("true")}mixed"`.',
            )
