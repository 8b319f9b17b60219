"""12.1 no loss, 12.3 moved by hand, 12.4 means of means, 12.5 a changed batch."""

import ast
from collections.abc import Iterator

from course_utils.own_code.classes import Class, Function, Project
from course_utils.own_code.flow import (
    batch_name,
    batch_parts,
    is_decorated,
    is_trivial,
    looks_only,
    optimizes_by_hand,
    resolved,
)
from course_utils.own_code.registry import Edit, Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    STEPS,
    argument,
    calls,
    dotted,
    is_self,
    last,
    literal,
    own_nodes,
)


def _optimizes(cls: Class) -> bool:
    configure = cls.method("configure_optimizers")
    return configure is not None and not is_trivial(configure)


@rule("12.1", "error")
def no_loss(source: Source, project: Project) -> Iterator[Seen]:
    """Find training steps that return nothing."""
    for cls in project.of(source, "module"):
        step = cls.methods.get("training_step")
        if (
            step is None
            or is_trivial(step)
            or optimizes_by_hand(cls)
            or not cls.complete
            or is_decorated(step, "no_grad", "inference_mode")
            or not _optimizes(cls)
        ):
            continue
        nodes = list(own_nodes(step))
        returns = [
            n for n in nodes if isinstance(n, ast.Return) and n.value is not None
        ]
        yields = [n for n in nodes if isinstance(n, ast.Yield)]
        if not returns and not yields and not isinstance(step.body[-1], ast.Raise):
            yield Seen(
                step,
                "`training_step` returns nothing: Lightning skips every batch, and "
                "nothing is trained.",
                "Return the loss.",
            )


def _own_steps(source: Source, project: Project) -> Iterator[tuple[Class, Function]]:
    for cls in project.of(source, "module"):
        yield from ((cls, cls.methods[n]) for n in STEPS if n in cls.methods)


def _is_part(node: ast.AST, tensors: frozenset[str], batch: str) -> bool:
    if isinstance(node, ast.Name):
        return node.id in tensors
    part = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)
    return (
        part and node.value.id == batch and isinstance(literal(node.slice), int | str)
    )


@rule("12.3", "note")
def moved_by_hand(source: Source, project: Project) -> Iterator[Seen]:
    """Find steps that move what Lightning has moved."""
    for cls, step in _own_steps(source, project):
        if cls.method("transfer_batch_to_device"):
            continue
        for node, tensors in batch_parts(step):
            if not isinstance(node, ast.Call) or last(node) not in ("to", "cuda"):
                continue
            func = node.func
            if not isinstance(func, ast.Attribute):
                continue
            to_self = last(node) == "cuda" or any(
                dotted(a) == "self.device" for a in node.args
            )
            if to_self and _is_part(func.value, tensors, batch_name(step)):
                yield Seen(
                    node,
                    f"`{ast.unparse(node)}` in `{step.name}` moves what Lightning has "
                    "already moved.",
                    "Leave it out.",
                )


def _averages(node: ast.AST) -> ast.expr | None:
    """Return of what an expression is the mean: ``torch.stack(x).mean()`` gives x."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        left, right = node.left, node.right
        both = isinstance(left, ast.Call) and isinstance(right, ast.Call)
        if (
            both
            and (last(left), last(right)) == ("sum", "len")
            and left.args
            and right.args
        ):
            return (
                left.args[0]
                if ast.dump(left.args[0]) == ast.dump(right.args[0])
                else None
            )
    if not isinstance(node, ast.Call) or last(node) != "mean":
        return None
    first = dotted(node.func).split(".")[0]
    if first in ("torch", "np", "numpy", "statistics"):
        return node.args[0] if node.args else None
    return node.func.value if isinstance(node.func, ast.Attribute) else None


def _collected(value: ast.expr | None, at: ast.AST, scope: ast.AST) -> ast.expr | None:
    """Return the list behind ``torch.stack([x["loss"] for x in outputs])``."""
    value = _given(value, at, scope)
    if isinstance(value, ast.Call) and last(value) in ("stack", "tensor", "array"):
        value = _given(value.args[0], at, scope) if value.args else None
    if isinstance(value, ast.ListComp):
        value = value.generators[0].iter
    return value


def _given(value: ast.expr | None, at: ast.AST, scope: ast.AST) -> ast.expr | None:
    """Return what a name stands for; the name itself for a list that begins empty."""
    found = resolved(value, at, scope)
    return value if isinstance(found, ast.List) and not found.elts else found


def _means(function: Function) -> Iterator[tuple[ast.AST, ast.expr]]:
    for node in own_nodes(function):
        averaged = _averages(node)
        over = argument(node, "dim", 0) if isinstance(node, ast.Call) else None
        torch_call = over is not None and over is averaged
        if averaged is None or over is not None and not torch_call:
            continue
        if (found := _collected(averaged, node, function)) is not None:
            yield node, found


def _appended(cls: Class, name: str) -> bool:
    steps = [m for m in cls.all_methods() if m.name in STEPS]
    return any(
        is_self(call.func.value, name)
        for step in steps
        for call in calls(step, "append")
        if isinstance(call.func, ast.Attribute)
    )


@rule("12.4")
def mean_of_batch_means(source: Source, project: Project) -> Iterator[Seen]:
    """Find epoch values that weigh a small last batch like a full one."""
    remedy = "Log each batch's value with `self.log`, which weights it by its size."
    for cls in project.of(source, "module"):
        for name, function in cls.methods.items():
            if not name.endswith("epoch_end"):
                continue
            for node, values in _means(function):
                if "reward" in ast.unparse(function):
                    continue  # of an episode, not of a batch
                outputs = isinstance(values, ast.Name) and values.id == "outputs"
                own = is_self(values) and _appended(cls, values.attr)  # type: ignore[attr-defined]
                if outputs or own:
                    yield Seen(
                        node,
                        f"`{name}` takes the mean of the batches' values: a small "
                        "last batch counts like a full one.",
                        remedy,
                    )
    for function in (n for n in source.nodes if isinstance(n, Function)):
        for node, values in _means(function):
            if isinstance(values, ast.Name) and _measured_in_loop(function, values.id):
                yield Seen(
                    node,
                    f"`{function.name}` takes the mean of the batches' means: a small "
                    "last batch counts like a full one.",
                    "Sum over the samples, and divide by their number.",
                )


def _measured_in_loop(function: Function, name: str) -> bool:
    loops = [n for n in own_nodes(function) if isinstance(n, ast.For)]
    for call in calls(loops, "append"):
        mine = isinstance(call.func, ast.Attribute) and dotted(call.func.value) == name
        value = resolved(call.args[0], call, function) if call.args else None
        means = value is not None and bool(calls(value, "mean"))
        if mine and means and looks_only(call, function):
            return True
    return False


def _changed(node: ast.AST, tensors: frozenset[str], batch: str) -> ast.expr | None:
    """Return the part of the batch that a node changes in place."""
    if isinstance(node, ast.AugAssign):
        target = node.target
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        target = node.targets[0]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = node.func.attr
        inplace = name.endswith("_") and not name.endswith("__")
        if not inplace or name in ("requires_grad_", "share_memory_", "retain_grad_"):
            return None
        target = node.func.value
    else:
        return None
    if isinstance(target, ast.Name):
        return target if target.id in tensors else None
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        if isinstance(literal(target.slice), int | str):
            return None  # an item of a list or a dict
        return target.value if target.value.id in tensors else None
    return None


def _edit(node: ast.AST) -> Edit | None:
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return Edit(node, "new_tensor")
    return None


@rule("12.5")
def batch_is_changed(source: Source, project: Project) -> Iterator[Seen]:
    """Find steps that write into their batch."""
    for _, step in _own_steps(source, project):
        for node, tensors in batch_parts(step):
            part = _changed(node, tensors, batch_name(step))
            if part is not None:
                first = ast.unparse(node).splitlines()[0]
                yield Seen(
                    node,
                    f"`{first}` changes a tensor of the batch in place: the target "
                    "may be the same tensor, and the data set may keep the change.",
                    "Make a new tensor, or clone it first.",
                    edit=_edit(node),
                )
