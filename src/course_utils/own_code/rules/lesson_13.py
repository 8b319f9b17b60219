"""13.3 the largest batch as the best, 13.4 images by way of PIL."""

import ast
from collections.abc import Iterator

from course_utils.own_code.classes import Project
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import argument, calls, dotted, inside, last, scope_of


def _is_taken(call: ast.Call) -> bool:
    """Return whether the size found is used as it is: read, or trained with."""
    scope = scope_of(call)
    later = [n for n in inside(scope) if getattr(n, "lineno", 0) > call.lineno]
    used = not isinstance(getattr(call, "parent", None), ast.Expr)
    trains = any(isinstance(n, ast.Call) and last(n) == "fit" for n in later)
    reads = any(isinstance(n, ast.Attribute) and n.attr == "batch_size" for n in later)
    return (used or trains or reads) and not calls(scope, "min")


@rule("13.3", "note")
def largest_is_taken(source: Source, project: Project) -> Iterator[Seen]:
    """Find batch sizes that are as large as fits."""
    for call in calls(source.tree, "scale_batch_size"):
        tuner = "tuner" in last(getattr(call.func, "value", None)).lower()
        if tuner and argument(call, "max_val") is None and _is_taken(call):
            yield Seen(
                call,
                "`scale_batch_size` finds the largest batch that fits, or its cap "
                "untried: the larger, the fewer updates in an epoch.",
                "Treat it as a limit, and choose by the validation metric.",
            )


@rule("13.4", "note")
def arrays_by_way_of_pil(source: Source, project: Project) -> Iterator[Seen]:
    """Find data sets that turn each array into an image and back into a tensor."""
    back = (
        "ToTensor",
        "ToImage",
        "PILToTensor",
        "to_tensor",
        "pil_to_tensor",
        "to_image",
    )
    for cls in project.of(source, "dataset"):
        item = cls.methods.get("__getitem__")
        for call in calls(item, "fromarray") if item else ():
            batched = cls.method("__getitems__")
            turns = any(
                last(node) in back
                for each in cls.lineage
                for node in inside(each.node)
                if isinstance(node, ast.Name | ast.Attribute)
            )
            if dotted(call.func).endswith("Image.fromarray") and turns and not batched:
                yield Seen(
                    call,
                    "`__getitem__` makes an image from an array in memory, then a "
                    "tensor from it, one at a time.",
                    "Keep tensors; `__getitems__` returns a batch at once, and "
                    "`on_after_batch_transfer` scales it.",
                )
