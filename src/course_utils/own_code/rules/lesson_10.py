"""10.1 a test of the last weights, 10.2 choices made on the test set."""

import ast
import re
from collections.abc import Iterator

from course_utils.own_code.classes import Project
from course_utils.own_code.logged import watched
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import argument, calls, dotted, last, scope_of

_SCORES = re.compile(
    r"^test_?(scores?|accs?|accurac(y|ies)|losses|errors?|results|f1s?)$"
)
_TEST = re.compile(r"(^|_)test(_|$|set|loader|data)")


def _is_trainer(call: ast.Call) -> bool:
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    return receiver is not None and "trainer" in last(receiver).lower()


@rule("10.1")
def tests_the_last_weights(source: Source, project: Project) -> Iterator[Seen]:
    """Find tests of the model in memory, where a best checkpoint is kept."""
    if not calls(source.tree, "fit") or not any(
        last(call) == "ModelCheckpoint" for call, _ in watched(source)
    ):
        return
    for call in calls(source.tree, "test"):
        if not _is_trainer(call) or any(k.arg is None for k in call.keywords):
            continue
        model, path = argument(call, "model", 0), argument(call, "ckpt_path", 2)
        scope = scope_of(call)
        loaded = calls(scope, "load_from_checkpoint", "load_state_dict")
        if isinstance(model, ast.Name) and path is None and not loaded:
            yield Seen(
                call,
                f"`test({model.id}, ...)` tests the weights in memory, those of the "
                "last epoch, not the best ones that are kept.",
                'Pass `ckpt_path="best"`.',
            )


@rule("10.2", "error")
def chosen_on_the_test_set(source: Source, project: Project) -> Iterator[Seen]:
    """Find choices that look at test metrics, and fits that validate on test data."""
    remedy = "Choose on validation data; test once, at the end."
    for call, name in watched(source):
        if re.match(r"test([/_]|$)", name):
            yield Seen(
                call, f"`{last(call)}` chooses by `{name}`, a test metric.", remedy
            )
    for call in (n for n in source.nodes if isinstance(n, ast.Call)):
        if last(call) in ("argmax", "argmin") and isinstance(call.func, ast.Attribute):
            name = dotted(call.func.value).split(".")[-1]
            name = (
                name if _SCORES.match(name) else last(call.args[0]) if call.args else ""
            )
        elif last(call) in ("max", "min") and call.args:
            name = last(call.args[0])
        elif last(call) == "fit" and _is_trainer(call):
            given = argument(call, "val_dataloaders", 2)
            name = last(given) if given is not None else ""
            if _TEST.search(name) and "val" not in name:
                yield Seen(call, f"`fit` validates on `{name}`, the test data.", remedy)
            continue
        else:
            continue
        if _SCORES.match(name):
            yield Seen(call, f"The choice is made by `{name}`, on test data.", remedy)
