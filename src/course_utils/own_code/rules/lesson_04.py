"""4.1 step values that callbacks watch, 4.2 shared names, 4.3 ranks, 4.4 schedules."""

import ast
import re
from collections.abc import Iterator

from course_utils.own_code.classes import Class, Function, Project
from course_utils.own_code.flow import resolved
from course_utils.own_code.logged import Logged, logged, rises, watched
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    argument,
    calls,
    dotted,
    inside,
    is_self,
    last,
    literal,
    unknown_arguments,
)

_PER_BATCH = ("OneCycleLR", "get_linear_schedule_with_warmup",
              "get_cosine_schedule_with_warmup")  # fmt: skip
_SEVERAL = ("ddp", "fsdp", "deepspeed")


@rule("4.1")
def one_batch_is_watched(source: Source, project: Project) -> Iterator[Seen]:
    """Find watched metrics of which the last batch of an epoch is all that counts."""
    names = {name for _, name in watched(source)}
    for cls in project.of(source, "module"):
        for each in logged(cls, cls.methods.get("training_step")):
            chosen = each.options & {"on_step", "on_epoch", "**"}
            of_batch = re.search(r"loss|acc", each.name)
            if each.name in names and not chosen and of_batch:
                yield Seen(
                    each.call,
                    f"`{each.name}` is logged by step, and a callback of this file "
                    "watches it: it reads the last batch of each epoch.",
                    "Add `on_step=True, on_epoch=True`, and watch "
                    f"`{each.name}_epoch`; or watch a validation metric.",
                )


@rule("4.2")
def one_name_for_two(source: Source, project: Project) -> Iterator[Seen]:
    """Find metrics of training and validation under one name, and names as paths."""
    for cls in project.of(source, "module"):
        own = {*cls.methods} & {"training_step", "validation_step"}
        train = (
            {e.name for e in logged(cls, cls.method("training_step"))} if own else ()
        )
        for each in logged(cls, cls.method("validation_step")) if own else ():
            if each.name in train:
                yield Seen(
                    each.call,
                    f"`training_step` and `validation_step` both log `{each.name}`: a "
                    "callback reads whichever was written last.",
                    f"Say which split it belongs to: `train/{each.name}` and "
                    f"`val/{each.name}`.",
                )
    for node in source.nodes:
        if isinstance(node, ast.Call) and last(node) == "ModelCheckpoint":
            name = literal(argument(node, "filename", 1))
            inserts = argument(node, "auto_insert_metric_name") is None
            if isinstance(name, str) and "/" in _fields(name) and inserts:
                yield Seen(
                    node,
                    f"The filename {name!r} names a metric with a slash, and so makes "
                    "a folder for each checkpoint.",
                    "Pass `auto_insert_metric_name=False`, and write the name of the "
                    "metric without a slash before its field.",
                    severity="note",
                )


def _fields(filename: str) -> str:
    """Return the names of the metrics in a file name: ``"{a/b:.2f}"`` gives a/b."""
    return " ".join(part.split("}")[0] for part in filename.split("{")[1:])


def _is_several(node: ast.AST) -> bool:
    """Return whether code of this file speaks of more than one process."""
    if isinstance(node, ast.keyword):
        value = literal(node.value)
        if node.arg == "strategy":
            return isinstance(value, str) and value.startswith(_SEVERAL)
        if node.arg == "sync_dist":
            return value is not False
        if node.arg in ("devices", "num_nodes", "gpus"):
            number = isinstance(value, int) and not isinstance(value, bool)
            several = number and (value > 1 or value == -1)
            return several or isinstance(value, list) and len(value) > 1
    return last(node) in ("all_gather", "DistributedSampler")


def _is_plain(value: ast.expr | None, at: ast.AST, step: Function, cls: Class) -> bool:
    """Return whether a logged value is surely a tensor of this batch, not a metric."""
    value = resolved(value, at, step)
    if isinstance(value, ast.BinOp | ast.UnaryOp):
        return False
    if not isinstance(value, ast.Call):
        return False
    called = value.func
    if is_self(called):
        loss = "loss" in called.attr or "criterion" in called.attr  # type: ignore[union-attr]
        return loss and not _is_metric(cls, called.attr)  # type: ignore[union-attr]
    first = dotted(called).split(".")[0]
    if cls.source.imports.get(first, "").startswith("torch.nn.functional"):
        return True
    return last(value) == "mean"


def _is_metric(cls: Class, name: str) -> bool:
    for each in cls.lineage:
        for node in inside(each.node):
            if isinstance(node, ast.Assign) and any(
                is_self(t, name) for t in node.targets
            ):
                return "Metric" in ast.unparse(node.value) or not _from_torch(
                    node, each
                )
    return False


def _from_torch(node: ast.Assign, cls: Class) -> bool:
    if not isinstance(node.value, ast.Call):
        return False
    first = dotted(node.value.func).split(".")[0]
    origin = cls.source.imports.get(first, "")
    return origin == "torch" or origin.startswith("torch.nn")


def _unsynced(source: Source, project: Project) -> Iterator[tuple[Logged, str]]:
    if not any(_is_several(node) for node in source.nodes):
        return
    for cls in project.of(source, "module"):
        for name in ("validation_step", "test_step"):
            step = cls.methods.get(name)
            for each in logged(cls, step):
                free = not each.options & {"sync_dist", "rank_zero_only", "**"}
                by_step = literal(argument(each.call, "on_epoch")) is False
                if free and not by_step and _is_plain(each.value, each.call, step, cls):
                    yield each, name


def _rank_sees_its_own(each: Logged, step: str) -> Seen:
    return Seen(
        each.call,
        f"`{step}` logs `{each.name}` without `sync_dist`: with several processes, "
        "which this file provides for, each has the value of its own share.",
        "Pass `sync_dist=True`, or log a torchmetrics object.",
    )


@rule("4.3")
def loss_of_one_rank(source: Source, project: Project) -> Iterator[Seen]:
    """Find losses of validation that each process keeps for itself."""
    for each, step in _unsynced(source, project):
        if "loss" in each.name.lower():
            yield _rank_sees_its_own(each, step)


@rule("12.2")
def metric_of_one_rank(source: Source, project: Project) -> Iterator[Seen]:
    """Find other metrics of validation that each process keeps for itself."""
    for each, step in _unsynced(source, project):
        if "loss" not in each.name.lower():
            yield _rank_sees_its_own(each, step)


def _makers(cls: Class, configure: Function) -> list[Function]:
    """Return ``configure_optimizers`` and the methods it calls."""
    asked = {last(c) for c in calls(configure) if is_self(c.func)}
    found = [cls.method(name) for name in asked]
    return [configure, *(each for each in found if each)]


def _steps_per_batch(call: ast.Call) -> bool:
    """Return whether a schedule was made for as many steps as there are updates."""
    if last(call) != "OneCycleLR":
        return True
    total = argument(call, "total_steps", 2)
    if total is None:
        per_epoch = argument(call, "steps_per_epoch", 4)
        return per_epoch is not None and literal(per_epoch) != 1
    text = ast.unparse(total)
    return "epoch" not in text or "step" in text or "len(" in text


def _says_when(functions: list[Function]) -> bool:
    said = ("interval", "lr_scheduler_config")
    return any(
        literal(node) == "interval"
        if isinstance(node, ast.Constant)
        else isinstance(node, ast.keyword) and node.arg in said
        for function in functions
        for node in inside(function)
    )


@rule("4.4")
def schedule_by_epoch(source: Source, project: Project) -> Iterator[Seen]:
    """Find schedules of one step per batch that are stepped once per epoch."""
    for cls in project.of(source, "module"):
        configure = cls.methods.get("configure_optimizers")
        if configure is None:
            continue
        makers = _makers(cls, configure)
        by_hand = cls.method("lr_scheduler_step") or any(
            calls(each, "lr_schedulers") for each in cls.all_methods()
        )
        if _says_when(makers) or by_hand:
            continue
        for call in (c for each in makers for c in calls(each, *_PER_BATCH)):
            if _steps_per_batch(call) and not unknown_arguments(call):
                here = call in {*inside(configure)}
                yield Seen(
                    call if here else configure.body[-1],
                    f"`{last(call)}` counts batches, and Lightning steps it once per "
                    "epoch unless told otherwise.",
                    'Return `{"scheduler": ..., "interval": "step"}`.',
                    severity="error",
                )


def _monitors(configure: Function) -> list[object]:
    """Return the metrics that the schedules of a module watch."""
    return [
        literal(value)
        for node in inside(configure)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if literal(key) == "monitor"
    ]


@rule("4.4")
def plateau_of_what_rises(source: Source, project: Project) -> Iterator[Seen]:
    """Find plateaus of an accuracy that are waited for as if it were to fall."""
    for cls in project.of(source, "module"):
        configure = cls.methods.get("configure_optimizers")
        plateaus = calls(configure, "ReduceLROnPlateau") if configure else []
        names = _monitors(configure) if configure else []
        if not len(plateaus) == len(names) == 1 or not isinstance(names[0], str):
            continue
        call, mode = plateaus[0], argument(plateaus[0], "mode", 1)
        falls = mode is None or literal(mode) == "min"
        if rises(names[0]) and falls and not unknown_arguments(call):
            yield Seen(
                call,
                f"The rate is lowered when `{names[0]}` has not fallen, and this "
                "metric should rise.",
                'Pass `mode="max"`.',
                severity="error",
            )
