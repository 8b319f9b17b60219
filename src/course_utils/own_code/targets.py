"""What is to be checked: ``package.module:Class``, a file, or a folder."""

import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from course_utils.own_code.reading import files_in, shown
from course_utils.own_code.report import Report
from course_utils.own_code.source import read_source

_DOTTED = re.compile(
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?$"
)


@dataclass(frozen=True)
class Target:
    """Something to check.

    Attributes:
        name: As the user named it.
        path: The file or folder to read.
        module: Dotted name of the module, ``""`` for a file or folder.
        attribute: What to run in it, a class or a function; ``""`` if none is named.
    """

    name: str
    path: Path
    module: str = ""
    attribute: str = ""


def module_file(module: str) -> Path | None:
    """Return the file of a module, found without importing anything."""
    parts = module.split(".")
    for folder in dict.fromkeys([os.getcwd(), *sys.path]):
        place = Path(folder or ".").joinpath(*parts)
        for candidate in (place.with_suffix(".py"), place / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def parse(name: str) -> Target:
    """Return the target that a user names.

    Raises:
        ValueError: If there is no such file, folder or module.
    """
    path = Path(name)
    if path.is_dir() or (path.is_file() and path.suffix in (".py", ".ipynb")):
        return Target(name, path)
    if path.is_file():
        raise ValueError(f"Expected a .py or .ipynb file but got {name}.")
    module, _, attribute = name.partition(":")
    if _DOTTED.match(name) and (file := module_file(module)):
        return Target(name, file, module, attribute)
    raise ValueError(
        f"Expected a file, a folder or package.module:Class but got {name!r}, which "
        "cannot be found from here."
    )


def _class_lines(target: Target) -> dict[str, range]:
    """Return the lines of each class at the top of a target's file."""
    try:
        tree = read_source(target.path).tree
    except ValueError:
        return {}
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {c.name: range(c.lineno, (c.end_lineno or c.lineno) + 1) for c in classes}


def within(targets: Iterable[Target], report: Report) -> Report:
    """Leave out what is found in other classes than those that were named."""
    named: dict[str, list[Target]] = {}
    for target in targets:
        named.setdefault(shown(target.path), []).append(target)
    findings = list(report.findings)
    for file, own in named.items():
        lines = _class_lines(own[0]) if all(t.attribute for t in own) else {}
        names = {target.attribute for target in own}
        others = [lines[name] for name in lines if name not in names]
        if names & {*lines}:
            findings = [
                each
                for each in findings
                if each.file != file or not any(each.line in other for other in others)
            ]
    return replace(report, findings=findings)


def beside(targets: Iterable[Target]) -> Iterator[Path]:
    """Yield files of the same packages, in which base classes are looked up."""
    for target in targets:
        folder = target.path if target.path.is_dir() else target.path.parent
        while target.path.is_file() and (folder.parent / "__init__.py").is_file():
            folder = folder.parent
        if (folder / "__init__.py").is_file():
            yield from files_in(folder)
