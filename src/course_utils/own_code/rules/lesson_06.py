"""6.2 a share of the batches, 6.3 branches whose gradient is not a number."""

import ast
from collections.abc import Iterator

from course_utils.own_code.classes import Project
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    argument,
    calls,
    dotted,
    inside,
    last,
    literal,
    scope_of,
)

_STEEP = ("sqrt", "rsqrt", "log", "acos", "asin", "reciprocal")


@rule("6.2", "note")
def share_of_shuffled_batches(source: Source, project: Project) -> Iterator[Seen]:
    """Find Trainers that limit batches where each epoch draws other ones."""
    for call in (n for n in source.nodes if isinstance(n, ast.Call)):
        share = literal(argument(call, "limit_train_batches"))
        if last(call) != "Trainer" or not isinstance(share, float) or not 0 < share < 1:
            continue
        epochs = literal(argument(call, "max_epochs"))
        loaders = calls(scope_of(call), "DataLoader")
        shuffled = any(literal(argument(each, "shuffle")) is True for each in loaders)
        if shuffled and isinstance(epochs, int) and epochs > 1:
            yield Seen(
                call,
                f"`limit_train_batches={share}` over {epochs} epochs of a shuffled "
                "loader: each epoch trains on other images, in the end on most.",
                "For a small share of the data, draw a `Subset` once.",
            )


def _sides(test: ast.expr) -> set[str]:
    whole = isinstance(test, ast.Compare)
    return {
        ast.dump(each) for each in ((test.left, *test.comparators) if whole else ())
    }


def _steep_in(value: ast.expr, tested: set[str]) -> str:
    """Return which function of the tested value has no finite slope at its edge."""
    for node in inside(value):
        if isinstance(node, ast.Call) and last(node) in _STEEP:
            method = isinstance(node.func, ast.Attribute)
            whole = method and dotted(node.func).split(".")[0] in ("torch", "np")
            arg = node.args[0] if node.args else getattr(node.func, "value", None)
            arg = arg if whole or node.args else node.func.value  # type: ignore[union-attr]
            if arg is not None and ast.dump(arg) in tested:
                return last(node)
        divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        if divides and ast.dump(node.right) in tested:
            return "/"
    return ""


@rule("6.3")
def where_with_an_infinite_slope(source: Source, project: Project) -> Iterator[Seen]:
    """Find ``torch.where`` that hides a value, but not its gradient."""
    for cls in project.of(source, "module", "network"):
        for function in cls.methods.values():
            for call in calls(function, "where"):
                if dotted(call.func) != "torch.where" or len(call.args) != 3:
                    continue
                test, *branches = call.args
                if not isinstance(test, ast.Compare) or len(test.comparators) != 1:
                    continue
                steep = next(
                    filter(None, (_steep_in(b, _sides(test)) for b in branches)), ""
                )
                if steep:
                    yield Seen(
                        call,
                        f"`torch.where` hides what `{steep}` gives where the test "
                        "fails, but its gradient there can be nan, and nan times 0 "
                        "is nan.",
                        "Put a harmless value in before it: "
                        "`torch.where(test, x, 1)`, inside and outside.",
                    )
