"""Keep every ``NN_topic.ipynb`` in step with its ``NN_topic.py``: ``make sync``.

A notebook is regenerated when it is missing, when types, sources or tags of its cells
differ from the script's, or when it was not executed cleanly from top to bottom. The
rest is left alone, so a second run changes nothing. Cells keep their ids as far as
jupytext recognizes them; a new cell's id follows from its text, not from chance.

``--all`` executes what is in step as well. If that run brings no news the stored file
stays, to the byte. News is a difference after sanitizing with
``tests/nbval_sanitize.cfg``, the rule by which the tests compare, or another picture
beside words that are exactly the same: then the drawing has changed. Either the whole
stored run stays or the whole new one replaces it, so that a notebook never mixes two
runs. To get fresh measurements all the same, delete the ``.ipynb``.
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from nbformat import NotebookNode, v4

from course_utils.authoring.compare_outputs import (
    ENVIRONMENT,
    SANITIZE,
    brings_news,
    code_cells,
    sanitizer,
    tags,
)
from course_utils.authoring.execute import execute_notebook
from course_utils.authoring.notebook_files import damage, read_notebook
from course_utils.data.cache import write_atomically
from course_utils.shipped_records import conflict

FOLDERS = ("notebooks", "solutions")
# Code that only measures, or only starts a notebook; MyST's tag for it.
FOLDED, HIDE = {"apparatus", "setup"}, "hide-input"
# No versions: they differ between machines, and readers need only the language.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


def _read(path: Path) -> NotebookNode | None:
    return read_notebook(path) if path.is_file() else None


def _damage(script: Path) -> str:
    """Return why one file of a pair cannot be read, or ``""``."""
    if found := conflict(script.read_text("utf-8")):
        return f"cannot be made: {script.name} {found}"
    stored = script.with_suffix(".ipynb")
    return damage(stored) if stored.is_file() else ""


def _new_id(cell: NotebookNode, taken: Iterable[str]) -> str:
    """Return an id that follows from the cell's text: the same on every machine."""
    texts = (f"{cell.cell_type}\n{n}\n{cell.source}".encode() for n in count())
    ids = (hashlib.sha256(text).hexdigest()[:8] for text in texts)
    return next(each for each in ids if each not in taken)


def _metadata(cell: NotebookNode) -> dict[str, Any]:
    """Return a cell's tags and, if its code is not part of the lesson, what folds it.

    JupyterLab reads `source_hidden`, Colab `cellView`, nbconvert and MyST the tag.
    """
    tagged = tags(cell)
    if FOLDED & set(tagged):
        folded = {"jupyter": {"source_hidden": True}, "cellView": "form"}
        return {"tags": [*tagged, HIDE], **folded}
    return {"tags": tagged} if tagged else {}


def _title(script: NotebookNode) -> dict[str, str]:
    """Return what an export to HTML is called: the first heading, if there is one."""
    first = script.cells[0].source.partition("\n")[0] if script.cells else ""
    return {"title": first.removeprefix("# ")} if first.startswith("# ") else {}


def generate(script: Path) -> NotebookNode:
    """Return the notebook of ``script``, not executed, with known cells' ids kept."""
    source, stored = jupytext.read(script), _read(script.with_suffix(".ipynb"))
    known = set()
    if stored:
        known = {cell.get("id") for cell in stored.cells}
        # A cell that jupytext recognizes gets its stored id.
        source = combine_inputs_with_outputs(source, stored, fmt="py:percent")
    ids = [cell.id if cell.get("id") in known else "" for cell in source.cells]
    notebook = v4.new_notebook(metadata={**METADATA, **_title(source)})
    for place, cell in enumerate(source.cells):
        ids[place] = ids[place] or _new_id(cell, ids)
        make = getattr(v4, f"new_{cell.cell_type}_cell")
        new = make(cell.source, id=ids[place], metadata=_metadata(cell))
        notebook.cells.append(new)
    return notebook


def _difference(script: NotebookNode, stored: NotebookNode) -> str:
    if len(script.cells) != len(stored.cells):
        return f"has {len(stored.cells)} cells, the script {len(script.cells)}"
    pairs = zip(script.cells, stored.cells, strict=True)
    for number, (ours, theirs) in enumerate(pairs, start=1):
        if ours.cell_type != theirs.cell_type:
            return f"cell {number} is {theirs.cell_type}, not {ours.cell_type}"
        if ours.source != theirs.source:
            return f"cell {number} holds other text than the script"
        if _metadata(ours) != theirs.metadata:
            return f"cell {number} has {theirs.metadata}, not {_metadata(ours)}"
    return ""


def _unsound_run(stored: NotebookNode) -> str:
    cells = code_cells(stored)
    if [c.execution_count for c in cells] != list(range(1, len(cells) + 1)):
        return "was not executed from top to bottom"
    for number, cell in enumerate(cells, start=1):
        failed = any(output.output_type == "error" for output in cell.outputs)
        if failed and "raises-exception" not in tags(cell):
            return f"code cell {number} holds an error"
    return ""


def out_of_step(script: Path) -> str:
    """Return why the notebook of ``script`` must be regenerated, or ``""``."""
    if found := _damage(script):
        return found
    stored = _read(script.with_suffix(".ipynb"))
    if stored is None:
        return "is missing"
    source = jupytext.read(script)
    if stored.metadata.get("title") != _title(source).get("title"):
        return "is called otherwise than its first heading"
    return _difference(source, stored) or _unsound_run(stored)


def _shorten_errors(notebook: NotebookNode) -> None:
    # A traceback's frames name folders of this machine.
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    for output in outputs:
        if output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}"]


def sync(script: Path, sanitize: Callable[[str], str]) -> str:
    """Execute the notebook of ``script``, store it, and return what happened.

    It runs in an empty folder, so that files a learner made beside it have no effect.

    Raises:
        RuntimeError: If a cell failed or a file is damaged; the stored notebook is left
            as it was.
    """
    if found := _damage(script):
        raise RuntimeError(f"It {found}.")
    path = script.with_suffix(".ipynb")
    in_step = not out_of_step(script)
    notebook = generate(script)
    metadata = deepcopy(notebook.metadata)  # a kernel adds its version
    with tempfile.TemporaryDirectory() as empty:
        run = execute_notebook(notebook, Path(empty), environment=ENVIRONMENT)
    if not run.ok:
        raise RuntimeError(run.failure)
    _shorten_errors(run.notebook)
    run.notebook.metadata = metadata
    stored = _read(path)
    if in_step and stored and not brings_news(stored, run.notebook, sanitize):
        return f"executed in {run.seconds:.0f} s, no news"
    write_atomically(path, f"{nbformat.writes(run.notebook)}\n".encode())
    return f"executed in {run.seconds:.0f} s, written"


def scripts(root: Path, names: Iterable[str] = ()) -> list[Path]:
    """Return the scripts of all pairs, or of the lessons named ``12`` or ``12_topic``.

    Raises:
        ValueError: If ``root`` is not the course, or a name fits no lesson.
    """
    if not (root / FOLDERS[0]).is_dir():
        raise ValueError(
            f"Expected a folder {FOLDERS[0]}/ in {root} but found none. "
            "Run this from the top folder of the course."
        )
    found = [path for each in FOLDERS for path in sorted((root / each).glob("*.py"))]
    chosen: list[Path] = []
    for name in names:
        key = Path(name).stem
        number = key.zfill(2)
        fits = [p for p in found if p.stem == key or p.stem.split("_")[0] == number]
        if not fits:
            known = ", ".join(dict.fromkeys(path.stem for path in found)) or "none"
            raise ValueError(f"Expected a lesson ({known}) but got {name!r}.")
        chosen += fits
    return list(dict.fromkeys(chosen)) if chosen else found


def _report(script: Path, root: Path, message: str) -> None:
    print(f"{script.relative_to(root).with_suffix('.ipynb')}: {message}", flush=True)


def _sync_all(chosen: list[Path], root: Path, everything: bool) -> bool:
    """Execute what is out of step, or everything; return whether all went well."""
    sanitize = sanitizer(root / SANITIZE)
    well = True
    for script in chosen:
        if everything or out_of_step(script):
            try:
                _report(script, root, sync(script, sanitize))
            except RuntimeError as error:
                well = False
                _report(script, root, f"not written. {error}")
    return well


def _check_all(chosen: list[Path], root: Path) -> bool:
    """Report what is out of step; return whether all is in step."""
    reasons = {script: reason for script in chosen if (reason := out_of_step(script))}
    for script, reason in reasons.items():
        _report(script, root, reason)
    if reasons:
        print("Run `make sync`.")
    return not reasons


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 if a notebook is not as it should."""
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.authoring.sync",
        description="Generate and execute the notebooks that differ from their script.",
    )
    parser.add_argument("lessons", nargs="*", help="only these, for example 12")
    parser.add_argument("--all", action="store_true", help="execute those in step too")
    parser.add_argument("--check", action="store_true", help="report, write nothing")
    options = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a cell's text on any terminal
    root = Path.cwd()
    try:
        chosen = scripts(root, options.lessons)
    except ValueError as error:
        parser.error(str(error))
    if options.check:
        return int(not _check_all(chosen, root))
    return int(not _sync_all(chosen, root, options.all))


if __name__ == "__main__":
    sys.exit(main())
