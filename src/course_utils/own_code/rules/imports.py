"""Lightning under two names."""

import ast
import functools
from collections import Counter
from collections.abc import Iterator

from course_utils.own_code.classes import Project
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.report import IMPORTS
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import parents

_NAMES = {"lightning": "lightning", "pytorch_lightning": "pytorch_lightning"}


def _imported(source: Source) -> dict[str, ast.stmt]:
    """Return under which names a file imports Lightning, and where first.

    An import that may fail is left out: it is one of two ways to the same end.
    """
    found: dict[str, ast.stmt] = {}
    for node in source.nodes:
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
        else:
            continue
        guarded = any(isinstance(p, ast.Try | ast.If) for p in parents(node))
        for module in modules:
            root = _NAMES.get(module.split(".")[0])
            if root and not guarded and not module.startswith("lightning.fabric"):
                found.setdefault(root, node)
    return found


@functools.cache
def _counts(project: Project) -> Counter[str]:
    return Counter(name for each in project.sources for name in _imported(each))


@rule(IMPORTS, "error")
def two_names(source: Source, project: Project) -> Iterator[Seen]:
    """Find ``lightning`` and ``pytorch_lightning`` side by side."""
    own = _imported(source)
    if not own:
        return
    files = dict.fromkeys(_NAMES, 0) | _counts(project)
    rare, common = sorted(files, key=lambda name: files[name])
    if files[rare] and rare in own:
        yield Seen(
            own[rare],
            f"`{rare}` here and `{common}` in {files[common]} of these files: a "
            "Trainer of one package refuses a module of the other.",
            f"Import `{common}` everywhere.",
        )
