"""9.1 the newest and the best, 9.2 restarts that look like resuming, 9.3 own state."""

import ast
import re
from collections.abc import Iterator

from course_utils.own_code.classes import Function, Project
from course_utils.own_code.logged import rises, watched, watches_the_wrong_way
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.rules.lesson_02 import plain_tensors
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    argument,
    calls,
    inside,
    last,
    literal,
    parameters,
)

_AGAIN = re.compile(r"resume|restart|continue_")


@rule("9.1")
def last_is_not_the_last(source: Source, project: Project) -> Iterator[Seen]:
    """Find ``save_last`` beside a monitor."""
    for call, name in watched(source):
        if last(call) != "ModelCheckpoint":
            continue
        keeps = literal(argument(call, "save_last"))
        every = literal(argument(call, "save_top_k"), 1) == -1
        if keeps in (True, "link") and not every:
            yield Seen(
                call,
                f"With `monitor={name!r}`, `save_last` writes only when a best one is "
                "written: `last.ckpt` can be many epochs old.",
                "A second `ModelCheckpoint` without a monitor keeps the newest.",
            )


@rule("9.1")
def keeps_the_worst(source: Source, project: Project) -> Iterator[Seen]:
    """Find checkpoints that keep the lowest accuracy."""
    for call, name in watched(source):
        if (
            last(call) == "ModelCheckpoint"
            and rises(name)
            and watches_the_wrong_way(call)
        ):
            yield Seen(
                call,
                f"`{name}` should rise, and the default mode keeps the lowest: the "
                "file called best is the worst.",
                'Pass `mode="max"`.',
                severity="error",
            )


def _loads_weights(node: ast.AST) -> ast.Call | None:
    for call in calls(node, "load_from_checkpoint", "load_state_dict"):
        if last(call) == "load_from_checkpoint" or "state_dict" in ast.unparse(
            call.args
        ):
            return call
    return None


def _speaks_of_resuming(function: Function) -> bool:
    names = [function.name, *(a.arg for a, _ in parameters(function))]
    return any(_AGAIN.search(name) for name in names)


@rule("9.2")
def restarts(source: Source, project: Project) -> Iterator[Seen]:
    """Find functions that resume with the weights alone."""
    for function in (n for n in source.nodes if isinstance(n, Function)):
        fits = [c for c in calls(function, "fit") if isinstance(c.func, ast.Attribute)]
        if not fits or not _speaks_of_resuming(function):
            continue
        whole = any(
            argument(c, "ckpt_path", 4) is not None
            or any(k.arg is None for k in c.keywords)
            for c in fits
        )
        loads = next(filter(None, map(_loads_weights, inside(function.body))), None)
        if loads is not None and not whole:
            yield Seen(
                loads,
                f"`{function.name}` resumes with the weights alone: optimizer, "
                "schedule and epoch begin again.",
                "`trainer.fit(..., ckpt_path=path)`.",
            )


@rule("9.3")
def state_in_an_attribute(source: Source, project: Project) -> Iterator[Seen]:
    """Find tensors that training continues from, and no checkpoint holds."""
    saves = (
        "on_save_checkpoint",
        "get_extra_state",
        "state_dict",
        "_save_to_state_dict",
    )
    for cls in project.of(source, "module"):
        if any(cls.method(name) for name in saves):
            continue
        for node, name, found in plain_tensors(cls):
            if found.updated and not found.given:
                yield Seen(
                    node,
                    f"`{found.updated[0]}` continues from `self.{name}`, which no "
                    "checkpoint holds: a resumed run begins with it from the start.",
                    f'`self.register_buffer("{name}", ...)`.',
                )
