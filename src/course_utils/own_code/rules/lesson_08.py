"""8.1 clipping by value, 8.2 no warm-up, 8.3 gradients read early, 8.4 bad stops."""

import ast
from collections.abc import Iterator

from course_utils.own_code.classes import Class, Function, Project
from course_utils.own_code.flow import constant_in, resolved
from course_utils.own_code.logged import rises, watched, watches_the_wrong_way
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    argument,
    calls,
    is_self,
    last,
    literal,
    scope_of,
)


def _pairs(source: Source) -> Iterator[tuple[ast.AST, str, ast.expr]]:
    """Yield each argument that a call passes by name, and each item of a dict."""
    for node in source.nodes:
        if isinstance(node, ast.keyword) and node.arg:
            yield node.value, node.arg, node.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key, key.value, value


@rule("8.1")
def clipped_by_value(source: Source, project: Project) -> Iterator[Seen]:
    """Find clipping that turns the gradient."""
    for node, name, value in _pairs(source):
        if name == "gradient_clip_algorithm" and literal(value) == "value":
            yield Seen(
                node,
                "Clipping by value cuts each number of the gradient on its own: its "
                "direction changes, its norm stays large.",
                '`gradient_clip_algorithm="norm"`, the default.',
            )


@rule("8.2")
def starts_at_the_peak(source: Source, project: Project) -> Iterator[Seen]:
    """Find one-cycle schedules without their warm-up."""
    for cls in project.of(source, "module"):
        configure = cls.methods.get("configure_optimizers")
        for call in calls(configure, "OneCycleLR") if configure else ():
            share = constant_in(cls, argument(call, "pct_start", 5))
            if isinstance(share, int | float) and share <= 0:
                yield Seen(
                    call,
                    "`pct_start=0`: the first update has the highest rate of all.",
                    "Give a part of the updates to the warm-up, for example "
                    "`pct_start=0.1`.",
                )


def _measures_norm(function: Function, cls: Class) -> bool:
    """Return whether a method, or one of the class that it calls, reads norms."""
    asked = {last(c) for c in calls(function) if is_self(c.func)}
    bodies = [function, *(m for name in asked if (m := cls.method(name)))]
    text = "\n".join(ast.unparse(each) for each in bodies)
    changes = any(
        w in text
        for w in (".grad =", ".grad *=", "zero_grad", "clip_grad", ".grad.data")
    )
    return ".grad" in text and "norm" in text and not changes


@rule("8.3")
def gradients_read_early(source: Source, project: Project) -> Iterator[Seen]:
    """Find norms that are read before the gradient is complete."""
    for cls in project.of(source, "module", "callback"):
        hook = cls.methods.get("on_after_backward")
        if hook and _measures_norm(hook, cls):
            yield Seen(
                hook,
                "`on_after_backward` reads gradients that are not yet those of the "
                "update: partial sums under accumulation, scaled ones in 16-mixed.",
                "Do it in `on_before_optimizer_step`.",
            )


def _is_checkpoint(node: ast.expr, scope: ast.AST) -> bool | None:
    """Return whether an element of a list keeps checkpoints; ``None``: unknown."""
    value = resolved(node, node, scope)
    if isinstance(value, ast.Call) and last(value)[:1].isupper():
        return "Checkpoint" in last(value)
    return None


@rule("8.4")
def stops_and_keeps_the_last(source: Source, project: Project) -> Iterator[Seen]:
    """Find early stopping without a checkpoint of the best weights."""
    for node in source.nodes:
        if not isinstance(node, ast.List) or not isinstance(node.ctx, ast.Load):
            continue
        stops = [
            e
            for e in node.elts
            if isinstance(e, ast.Call) and last(e) == "EarlyStopping"
        ]
        scope = scope_of(node)
        kept = [_is_checkpoint(e, scope) for e in node.elts]
        if stops and not any(each is None or each for each in kept):
            if calls(scope, "ModelCheckpoint"):
                continue
            yield Seen(
                stops[0],
                "`EarlyStopping` does not put the best weights back, and no "
                "`ModelCheckpoint` keeps them.",
                "Add `ModelCheckpoint(monitor=...)` with the same metric, and load "
                "its `best_model_path`.",
                severity="note",
            )


@rule("8.4")
def stops_the_wrong_way(source: Source, project: Project) -> Iterator[Seen]:
    """Find early stopping that waits for an accuracy to fall."""
    for call, name in watched(source):
        if (
            last(call) == "EarlyStopping"
            and rises(name)
            and watches_the_wrong_way(call)
        ):
            yield Seen(
                call,
                f"`{name}` should rise, and this waits for it to fall: the run stops "
                "while it improves.",
                'Pass `mode="max"`.',
                severity="error",
            )
