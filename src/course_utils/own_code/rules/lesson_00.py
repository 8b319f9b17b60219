"""0.1: a model that is measured in training mode."""

import ast
import re
from collections.abc import Iterator

from course_utils.own_code.classes import Function, Project
from course_utils.own_code.flow import is_decorated, looks_only
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import calls, parameters, parents

_MODELS = ("model", "net", "network", "classifier", "module")
_MEASURES = re.compile(r"acc|score|eval|test|valid")
_SWITCHES = ("eval", "train", "evaluation_mode", "eval_mode")


def _measuring(source: Source) -> Iterator[Function]:
    for node in source.nodes:
        if isinstance(node, Function) and _MEASURES.search(node.name.lower()):
            in_class = any(isinstance(p, ast.ClassDef) for p in parents(node))
            quiet = is_decorated(node, "no_grad", "inference_mode")
            quiet |= any(looks_only(each, node) for each in calls(node))
            if quiet and not in_class:
                yield node


@rule("0.1")
def measured_in_training_mode(source: Source, project: Project) -> Iterator[Seen]:
    """Find functions that measure a model they were given, in whatever mode it is."""
    callers_switch = {
        call.func.id
        for node in source.nodes
        if isinstance(node, Function) and calls(node, "eval")
        for call in calls(node)
        if isinstance(call.func, ast.Name)
    }
    for function in _measuring(source):
        given = {each.arg for each, _ in parameters(function)} & {*_MODELS}
        called = [c for c in calls(function) if getattr(c.func, "id", "") in given]
        judged = calls(function, "argmax", "max", "accuracy", "accuracy_score")
        switched = calls(function, *_SWITCHES) or function.name in callers_switch
        if called and judged and not switched:
            name = called[0].func.id  # type: ignore[attr-defined]
            yield Seen(
                called[0],
                f"`{function.name}` measures `{name}` in whatever mode it is: in "
                "training mode dropout and batch norm change the score.",
                f"Call `{name}.eval()` first, and put the mode back afterwards.",
            )
