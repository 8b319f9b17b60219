"""The questions of the course, asked of a module that lives in a notebook's kernel."""

import ast
import copy
import inspect
import json
import linecache
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from course_utils.own_code.named import read_named, run_named
from course_utils.own_code.output.notebook import Shown
from course_utils.own_code.reading import read, shown, without_ignored
from course_utils.own_code.report import Finding, Report, Unasked, joined
from course_utils.own_code.run import ask, left_to_a_person
from course_utils.own_code.settings import Settings, load_settings, matches
from course_utils.own_code.source import Source, read_source
from course_utils.own_code.targets import Target, beside, parse, within

# What a message says to a user of the command line, and to one of a notebook.
_IN_A_NOTEBOOK = {
    "name them with --data": "hand them over, check_my(module, data)",
    "name a function without arguments that returns it, package.module:function": (
        "hand over an instance"
    ),
    ", --data": "",
    "the script's module": "an instance",
}
_NOTHING = (
    "Nothing is asked yet. In place of None, put your LightningModule or its class, or "
    "name it: 'my_package.model:MyModel', 'train.py'."
)
_LIBRARIES = ("lightning", "pytorch_lightning", "torch", "builtins", "typing", "abc")


def _cells() -> list[str]:
    """Return the code that this kernel has run, by number; empty outside IPython."""
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return [str(code) for code in shell.user_ns.get("In", ())] if shell else []


def _own_classes(thing: Any) -> list[type]:
    """Return the user's classes that an object, or a class, is made of."""
    kind = thing if inspect.isclass(thing) else type(thing)
    return [k for k in kind.__mro__ if k.__module__.split(".")[0] not in _LIBRARIES]


def _file_of(kind: type) -> str:
    """Return the name of the file, or of the cell, that defines a class's methods."""
    methods = map(inspect.unwrap, filter(inspect.isfunction, vars(kind).values()))
    own = (m for m in methods if m.__qualname__.startswith(f"{kind.__qualname__}."))
    return next((each.__code__.co_filename for each in own), "")


def _texts(kinds: list[type]) -> dict[str, str]:
    """Return the text of the cells that define these classes, by name of the file."""
    names = {_file_of(kind) for kind in kinds}
    names = {name for name in names if name and not Path(name).is_file()}
    return {name: "".join(linecache.getlines(name)) for name in names}


def _numbers(texts: dict[str, str], cells: list[str]) -> dict[str, int]:
    """Return the number of the cell with each of the texts, the latest one."""
    last = {code.strip(): number for number, code in enumerate(cells)}
    found = {name: last.get(text.strip(), 0) for name, text in texts.items()}
    return {name: number for name, number in found.items() if number}


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def _session(cells: list[str], folder: Path) -> Path:
    """Write what the kernel has run as a notebook, each cell under its number."""
    sources = [code if _parses(code) else "" for code in cells[1:]]
    content = [{"cell_type": "code", "source": [code]} for code in sources]
    path = folder / "session.ipynb"
    path.write_text(json.dumps({"cells": content}), "utf-8")
    return path


def _ranges(
    source: Source, kinds: list[type], numbers: dict[str, int]
) -> Iterator[tuple[int, range]]:
    """Yield cell and lines of the classes, in their latest definition if unknown."""
    for kind in kinds:
        named = [
            node
            for node in source.tree.body
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__
        ]
        number = numbers.get(_file_of(kind), 0)
        there = [n for n in named if source.place(n.lineno)[0] == number]
        for node in (there or named)[-1:]:
            cell, line = source.place(node.lineno)
            last = line + (node.end_lineno or node.lineno) - node.lineno
            yield cell, range(line, last + 1)


def _read_cells(
    kinds: list[type], numbers: dict[str, int], cells: list[str], settings: Settings
) -> tuple[Report, Source]:
    with tempfile.TemporaryDirectory() as name:
        path = _session(cells, Path(name))
        source = read_source(path)
        found, _ = read([path], settings.wanted)
    ranges = [*_ranges(source, kinds, numbers)]
    inside = [
        replace(each, file=f"In[{each.cell}]", cell=0, fixable=False)
        for each in found.findings
        if any(each.cell == cell and each.line in lines for cell, lines in ranges)
    ]
    return Report(inside), source


def _read_files(kinds: list[type], settings: Settings) -> Report:
    report = Report()
    for kind in kinds:
        path = Path(_file_of(kind))
        if path.is_file():
            name = f"{kind.__module__}:{kind.__name__}"
            target = Target(name, path, kind.__module__, kind.__name__)
            found, _ = read([path], settings.wanted, [*beside([target])])
            found = within([target], found)
            report = joined(report, found)
    return report


def _handed_over(module: Any, data: Any, texts: dict[str, str], path: Path) -> None:
    import cloudpickle
    import torch

    if hasattr(data, "trainer") and not inspect.isclass(data):
        data = copy.copy(data)
        data.trainer = None
    given = {"module": module, "data": data, "texts": texts}
    torch.save(given, path, pickle_module=cloudpickle)


def _run(module: Any, data: Any, texts: dict[str, str], settings: Settings) -> Report:
    kind = module if inspect.isclass(module) else type(module)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.pt"
        try:
            _handed_over(module, data, texts, path)
        except Exception as error:  # pickle lets through whatever an object raises
            reason = (
                f"it cannot be handed to another process: {type(error).__name__}: "
                f"{str(error).splitlines()[0] if str(error) else 'no reason'}."
            )
            return Report(unasked=[Unasked("", reason, kind.__name__, stopped=True)])
        target = Target(kind.__name__, Path(_file_of(kind) or kind.__name__))
        given = {"given": str(path), "sys_path": sys.path}
        return ask(target, settings, given)


def _placed(report: Report, numbers: dict[str, int], source: Source | None) -> Report:
    """Name cells as IPython does, and leave out what a comment in them answers."""
    names = {shown(Path(name)): number for name, number in numbers.items()}
    kept: list[Finding] = []
    for each in report.findings:
        number = names.get(each.file, 0)
        if source and number:
            line = source.cells[number - 1].before + each.line
            if matches(each.practice, source.ignored.get(line, ())):
                continue
            each = replace(each, file=f"In[{number}]")
        kept.append(each)
    return replace(report, findings=kept)


def _said(report: Report) -> Report:
    unasked = []
    for each in report.unasked:
        for command, here in _IN_A_NOTEBOOK.items():
            each = replace(each, reason=each.reason.replace(command, here))
        unasked.append(each)
    return replace(report, unasked=unasked)


def _of_object(module: Any, data: Any, settings: Settings) -> Report:
    kind = module if inspect.isclass(module) else type(module)
    if not any(each.__name__ == "LightningModule" for each in kind.__mro__):
        raise TypeError(
            "Expected a LightningModule, a class of one, or its name as text, but got "
            f"{kind.__name__}. Call check_my(module, data)."
        )
    kinds = [*_own_classes(module), *([] if data is None else _own_classes(data))]
    cells, texts = _cells(), _texts(kinds)
    numbers, source = _numbers(texts, cells), None
    found = _read_files(kinds, settings)
    if cells:
        here = [each for each in kinds if each.__module__ == "__main__"]
        in_cells, source = _read_cells(here, numbers, cells, settings)
        found = joined(found, in_cells)
    ran = _placed(_run(module, data, texts, settings), numbers, source)
    report = joined(found, without_ignored(ran))
    report.unasked += left_to_a_person(settings)
    return report


def _of_name(name: str, data: Any, settings: Settings) -> Report:
    if data is not None and not isinstance(data, str):
        raise TypeError(
            "Expected data as text, such as 'my_package.data:MyData', beside a module "
            f"that is named as text, but got {type(data).__name__}."
        )
    settings = replace(settings, data=data or settings.data)
    targets = [parse(name)]
    found, _ = read_named(targets, settings)
    # What this kernel can import, the other process can, too.
    return joined(
        found, run_named(targets, settings, {"sys_path": [os.getcwd(), *sys.path]})
    )


def check_my(
    module: Any = None, data: Any = None, *, select: str = "", ignore: str = ""
) -> Shown | None:
    """Ask a module of your own the questions of the course, as ``course check`` does.

    Its code is read, in the cells or files that define it, and it is run on a few
    batches in a process of its own: nothing in this kernel changes. That takes some
    seconds, at most those that [tool.course] in ``pyproject.toml`` allows.

    Args:
        module: A LightningModule, or a class that is made without arguments. Of an
            instance, nothing is asked that needs a new one. Or as text or path, as on
            the command line: ``"package.module:Class"``, a script, a notebook, a
            folder. With None, nothing is asked, and a sentence says so.
        data: A LightningDataModule, its class, or a loader of training batches; as text
            ``"package.module:Name"``. Without data, only what the module brings itself.
        select: Practices to look for, such as ``"4.3,12.*"``; empty: those that
            ``pyproject.toml`` selects, or else all.
        ignore: Practices to leave out as well.

    Returns:
        What was found, which a notebook shows as a table; ``found.report`` is data.

    Raises:
        TypeError: If it is no LightningModule.
        ValueError: If a name means no file and no module, or a pattern no practice.
    """
    settings = load_settings(Path.cwd()).narrowed(select, ignore)
    if module is None:
        print(_NOTHING)
        return None
    if isinstance(module, str | os.PathLike):
        report = _of_name(os.fspath(module), data, settings)
    else:
        report = _of_object(module, data, settings)
    return Shown(_said(report))
