"""3.1 settings that are not saved, 3.2 objects that are, 3.3 settings nobody reads."""

import ast
import re
from collections.abc import Iterator

from course_utils.own_code.classes import OWN_FILES, Class, Function, Project
from course_utils.own_code.flow import is_trivial
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    argument,
    calls,
    inside,
    is_self,
    last,
    literal,
    names_in,
    parameters,
)

_RATE = re.compile(r"^(lr|learning_rate)$")
_OBJECTS = {
    *("Module", "Dataset", "DataLoader", "LightningModule", "LightningDataModule"),
    *("ndarray", "Optimizer", "PreTrainedModel"),
}
_NAMED_OBJECTS = {
    *("encoder", "decoder", "backbone", "dataset", "network", "net", "model"),
    *("criterion", "train_dataset", "val_dataset"),
}


def _is_setting(default: ast.expr | None) -> bool:
    value = literal(default)
    return isinstance(value, bool | int | float | str)


def _mentions(cls: Class, *names: str) -> bool:
    return any(
        getattr(node, "attr", getattr(node, "name", getattr(node, "id", ""))) in names
        for each in cls.family
        for node in inside(each.node)
    )


def _is_trained(cls: Class) -> bool:
    """Return whether a Trainer can train it, and its checkpoints are Lightning's."""
    needed = [cls.method(n) for n in ("training_step", "configure_optimizers")]
    return all(each and not is_trivial(each) for each in needed) and not any(
        cls.method(name) for name in OWN_FILES
    )


def _is_base(cls: Class) -> bool:
    """Return whether a class is one to inherit from, by its name."""
    name = cls.node.name.lower().strip("_")
    return name.startswith(("base", "abstract")) or name.endswith(("base", "mixin"))


@rule("3.1")
def settings_not_saved(source: Source, project: Project) -> Iterator[Seen]:
    """Find modules whose settings are in no checkpoint."""
    saves = ("save_hyperparameters", "hparams", "hparams_initial", "on_save_checkpoint")
    for cls in project.of(source, "module"):
        init = cls.methods.get("__init__")
        if init is None or not cls.complete or _mentions(cls, *saves):
            continue
        settings = [a.arg for a, default in parameters(init) if _is_setting(default)]
        if settings and _is_trained(cls) and not _is_base(cls):
            loud = any(default is None for _, default in parameters(init))
            names = ", ".join(f"`{name}`" for name in settings[:3])
            yield Seen(
                init,
                f"`{cls.node.name}` does not save its arguments: a checkpoint loads "
                f"with the defaults of {names}, whatever it was trained with.",
                "Call `self.save_hyperparameters()` in `__init__`.",
                severity="note" if loud else "warning",
            )


def _kinds(node: ast.AST | None) -> set[str]:
    found = inside(node) if node is not None else ()
    return {last(each) for each in found if isinstance(each, ast.Name | ast.Attribute)}


def _is_object(arg: ast.arg, default: ast.expr | None, init: Function) -> bool:
    if arg.annotation is not None:
        kinds = _kinds(arg.annotation)
        return bool(kinds & _OBJECTS) and not kinds & {"str", "type", "Type"}
    as_text = any(
        isinstance(each, ast.Compare | ast.Subscript)
        and arg.arg in names_in(each)
        or isinstance(each, ast.Call)
        and last(each) in ("getattr", "isinstance")
        and arg.arg in names_in(each)
        for each in inside(init)
    )
    return arg.arg in _NAMED_OBJECTS and default is None and not as_text


@rule("3.2")
def objects_saved(source: Source, project: Project) -> Iterator[Seen]:
    """Find ``save_hyperparameters()`` that takes modules and data sets along."""
    for cls in project.of(source, "module"):
        init = cls.methods.get("__init__")
        for call in calls(init, "save_hyperparameters") if init else ():
            if (
                call.args
                or argument(call, "ignore")
                or call.keywords
                and any(each.arg is None for each in call.keywords)
            ):
                continue
            objects = [a.arg for a, d in parameters(init) if _is_object(a, d, init)]
            if objects:
                names = ", ".join(f"`{name}`" for name in objects)
                listed = ", ".join(f'"{name}"' for name in objects)
                yield Seen(
                    call,
                    f"The hyperparameters hold {names}, too: with an object inside, a "
                    "checkpoint does not load under `weights_only=True`, the default.",
                    f"`self.save_hyperparameters(ignore=[{listed}])`; code that loads "
                    "it passes them again.",
                )


def _hparams_read(cls: Class, name: str) -> bool:
    return any(
        is_self(getattr(node, "value", None), "hparams")
        and name in (getattr(node, "attr", ""), literal(getattr(node, "slice", None)))
        or isinstance(node, ast.Call)
        and any(is_self(a, "hparams") for a in node.args)
        for each in cls.family
        for node in inside(each.node)
    )


def _rates(cls: Class) -> Iterator[tuple[str, Function]]:
    """Yield the learning rate that a class takes, unless its ``__init__`` reads it."""
    for each in cls.lineage:
        init = each.methods.get("__init__")
        for arg, _ in parameters(init) if init else ():
            if _RATE.match(arg.arg):
                yield arg.arg, init
        if init:
            return


def _read_anywhere(cls: Class, init: Function, name: str) -> bool:
    """Return whether anything but ``self.lr = lr`` reads the rate."""
    kept = {
        id(n.value)
        for n in inside(init)
        if isinstance(n, ast.Assign) and any(is_self(t, name) for t in n.targets)
    }
    in_init = any(
        isinstance(n, ast.Name) and n.id == name and id(n) not in kept
        for statement in init.body
        for n in inside(statement)
    )
    return in_init or any(
        is_self(n, name) and isinstance(n.ctx, ast.Load)  # type: ignore[attr-defined]
        for each in cls.family
        for n in inside(each.node)
    )


@rule("3.3")
def rate_nobody_reads(source: Source, project: Project) -> Iterator[Seen]:
    """Find optimizers that do not take the learning rate that the module is given."""
    for cls in project.of(source, "module"):
        configure = cls.methods.get("configure_optimizers")
        for name, init in _rates(cls) if configure else ():
            optimizers = [c for c in calls(configure) if argument(c, "lr") is not None]
            if len(optimizers) != 1 or _hparams_read(cls, name):
                continue
            rate = argument(optimizers[0], "lr")
            read = any(name in names_in(each) for each in init.body)
            fixed = isinstance(literal(rate), int | float)
            attribute = is_self(rate, name) and not read and len(init.body) > 0
            kept = any(
                is_self(n, name) and isinstance(n.ctx, ast.Store) for n in inside(init)
            )
            own = init is cls.methods.get("__init__")
            if fixed and own and not _read_anywhere(cls, init, name):
                seen = f"The optimizer's rate is {ast.unparse(rate)}, and the argument"
            elif attribute and not kept and calls(init, "save_hyperparameters"):
                seen = f"The optimizer reads `self.{name}`, and the hyperparameter"
            else:
                continue
            yield Seen(
                optimizers[0],
                f"{seen} `{name}` of `__init__` never reaches it: all runs of a "
                "sweep are the same.",
                f"`lr=self.hparams.{name}`, after `self.save_hyperparameters()`.",
            )
