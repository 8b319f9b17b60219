"""What a module logs, and which metrics callbacks watch: read, not run."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from course_utils.own_code.classes import Class, Function
from course_utils.own_code.flow import constant_in, resolved
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import argument, calls, is_self, last, literal

# Higher is better for these.
_UP = re.compile(
    r"(^|[/_\-. ])(acc|accuracy|f1|auc|auroc|iou|miou|dice|recall|r2|bleu|psnr|ssim)"
    r"(score)?($|[/_\-. @\d])",
    re.IGNORECASE,
)
_DOWN = re.compile(r"loss|err", re.IGNORECASE)
WATCHERS = {"EarlyStopping": 0, "ModelCheckpoint": 2}  # position of `monitor`


@dataclass(frozen=True)
class Logged:
    """One metric of one ``self.log``.

    Attributes:
        call: The call.
        name: The metric's name.
        value: What is logged.
        options: Names of the further arguments.
    """

    call: ast.Call
    name: str
    value: ast.expr | None
    options: frozenset[str]

    @property
    def open(self) -> bool:
        """Whether options are passed that cannot be seen."""
        return "**" in self.options


def logged(cls: Class, function: Function | None) -> Iterator[Logged]:
    """Yield what a method logs under a name that can be seen."""
    for call in calls(function, "log", "log_dict") if function else ():
        if not is_self(call.func):
            continue
        options = frozenset(k.arg or "**" for k in call.keywords)
        if last(call) == "log":
            pairs = [(argument(call, "name", 0), argument(call, "value", 1))]
        else:
            given = resolved(argument(call, "dictionary", 0), call, function)
            is_dict = isinstance(given, ast.Dict)
            pairs = list(zip(given.keys, given.values, strict=True)) if is_dict else []
        for key, value in pairs:
            name = constant_in(cls, key)
            if isinstance(name, str):
                yield Logged(call, name, value, options)


def watched(source: Source) -> Iterator[tuple[ast.Call, str]]:
    """Yield each early stopping and checkpoint of a file, with what it watches."""
    for node in source.nodes:
        if isinstance(node, ast.Call) and last(node) in WATCHERS:
            name = literal(argument(node, "monitor", WATCHERS[last(node)]))
            if isinstance(name, str):
                yield node, name


def rises(name: str) -> bool:
    """Return whether higher is better for a metric of this name.

    Example:
        >>> rises("val/acc"), rises("val_loss"), rises("val_f1_score")
        (True, False, True)
    """
    return bool(_UP.search(name)) and not _DOWN.search(name)


def watches_the_wrong_way(call: ast.Call) -> bool:
    """Return whether a watcher takes the default mode, or ``"min"``."""
    known = not any(k.arg is None for k in call.keywords)
    mode = argument(call, "mode")
    return known and (mode is None or literal(mode) == "min")
