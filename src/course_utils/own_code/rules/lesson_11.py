"""11.3: lists of weights that go stale."""

import ast
from collections.abc import Iterator

from course_utils.own_code.classes import Project
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import calls, is_self, own_nodes


@rule("11.3", "note")
def stored_and_stale(source: Source, project: Project) -> Iterator[Seen]:
    """Find numbers and lists of weights that ``__init__`` stores."""
    for cls in project.of(source, "module"):
        init = cls.methods.get("__init__")
        for node in own_nodes(init) if init else ():
            if not isinstance(node, ast.Assign) or not is_self(node.targets[0]):
                continue
            own = [
                c
                for c in calls(node.value, "parameters", "named_parameters")
                if isinstance(c.func, ast.Attribute)
                and getattr(c.func.value, "id", "") == "self"
            ]
            made = calls(node.value)[:1]
            collects = isinstance(node.value, ast.ListComp | ast.DictComp) or any(
                getattr(c.func, "id", "") in ("list", "sum", "dict") for c in made
            )
            if own and collects:
                name = node.targets[0].attr  # type: ignore[attr-defined]
                yield Seen(
                    node,
                    f"`self.{name}` is computed once from the weights: after a layer "
                    "is exchanged or frozen it is stale.",
                    f"Make `{name}` a property that looks it up.",
                )
