"""Make a web page's notebook of a stored one: answers folded, figures with their words.

MyST-NB folds what carries its tags ``hide-…``, under the prompt in a cell's metadata.
"""

import base64
import copy
import hashlib
import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from nbformat import NotebookNode, v4

from course_utils.authoring.compare_outputs import code_cells, tags
from course_utils.syllabus import Practice

FIGURES = PurePosixPath("_static/figures")  # from the top folder of the pages
# What a notebook links to, and how its page does. The record's targets are the
# project's, because older versions of MyST find no others in a page of that name.
_MOVED = {
    "](../src/course_utils/records/evidence.md#": "](project:#",
    "](../site/": "](../",
}


@dataclass(frozen=True)
class Page:
    """A notebook as Sphinx gets it.

    Attributes:
        notebook: The cells, with what folds them.
        figures: The PNG files that its outputs name, by their path from the top folder.
    """

    notebook: NotebookNode
    figures: dict[PurePosixPath, bytes] = field(default_factory=dict)


def _fold(cell: NotebookNode, tag: str, prompt: str) -> None:
    cell.metadata["tags"] = list(dict.fromkeys([*tags(cell), tag]))
    prompts = {"code_prompt_show": prompt, "code_prompt_hide": prompt}
    cell.metadata["mystnb"] = prompts


def _first_comment(cell: NotebookNode) -> str:
    first = cell.source.partition("\n")[0]
    words = first.removeprefix("#").replace("`", "").strip()
    return words if first.startswith("#") else "The code"


def _choices(practice: Practice) -> str:
    """Return one fold per option: to open one is to predict."""
    folds = []
    for option in practice.options:
        told = "as you predicted" if option == practice.answer else "not " + option
        folds.append(
            f'<details name="prediction-{practice.id}"><summary>I predict <b>{option}'
            f"</b></summary>The answer is {practice.answer}, {told}. "
            "The experiment below shows why.</details>"
        )
    return f'<div class="predictions">{"".join(folds)}</div>'


def _folded_lesson(
    notebook: NotebookNode, practices: tuple[Practice, ...]
) -> Iterator[NotebookNode]:
    asked, waiting = iter(practices), False
    for cell in notebook.cells:
        yield cell
        if cell.cell_type != "code":
            continue
        # The code of a contrast names the finding, as its figure's title. The capstone
        # has none: the cell behind its question shows the answer.
        if "contrast" in tags(cell) or (waiting and cell.outputs):
            _fold(cell, "hide-cell", "You have predicted? Show the outcome")
        elif "claim" in tags(cell):
            _fold(cell, "hide-cell", "What the measurement has to keep: the claims")
        elif "apparatus" in tags(cell):
            _fold(cell, "hide-input", _first_comment(cell))
        elif "setup" in tags(cell):
            _fold(cell, "hide-input", "Setup")
        waiting = "predict" in tags(cell)
        if waiting and (practice := next(asked, None)):
            yield v4.new_markdown_cell(_choices(practice))


def _fold_solution(notebook: NotebookNode) -> None:
    for cell in code_cells(notebook):
        if "setup" in tags(cell):
            _fold(cell, "hide-input", "Setup")
        elif not cell.source.startswith("check("):  # its verdict tells nothing
            solved = "solution" in tags(cell)
            _fold(cell, "hide-cell", "Show the solution" if solved else "Show the code")


def _as_files(notebook: NotebookNode) -> dict[PurePosixPath, bytes]:
    """Replace each PNG by HTML that names a file and has its alternative text.

    MyST-NB would store the file, too, but lose the text.

    Raises:
        LookupError: If a figure has no text.
    """
    files = {}
    for output in (each for cell in code_cells(notebook) for each in cell.outputs):
        if "image/png" not in output.get("data", {}):
            continue
        png = base64.b64decode(output.data.pop("image/png"))
        alt = output.metadata.get("image/png", {}).get("alt")
        if not alt:
            raise LookupError("Expected a text (alt) for every figure, one has none.")
        path = FIGURES / f"{hashlib.sha256(png).hexdigest()[:16]}.png"
        files[path] = png
        image = f'<img src="../{path}" alt="{html.escape(alt)}" loading="lazy">'
        output.data["text/html"] = image
    return files


def page(
    stored: NotebookNode, practices: tuple[Practice, ...] | None, below_title: str = ""
) -> Page:
    """Return the page of a notebook that lies one folder below the top.

    Measuring code, claims and the outcome of each contrast are folded, and each
    prediction gets its options to open. On a page of solutions the code is folded.

    Args:
        stored: The executed notebook; it is left as it is.
        practices: Those of the lesson, in order; None for a page of solutions.
        below_title: A line of Markdown, for example where the notebook opens.

    Raises:
        LookupError: If a figure has no alternative text.
    """
    notebook = copy.deepcopy(stored)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for there, here in _MOVED.items():
                cell.source = cell.source.replace(there, here)
    if below_title:
        title, _, rest = notebook.cells[0].source.partition("\n")
        notebook.cells[0].source = f"{title}\n\n{below_title}\n{rest}"
    if practices is None:
        _fold_solution(notebook)
    else:
        notebook.cells = list(_folded_lesson(notebook, practices))
    return Page(notebook, _as_files(notebook))
