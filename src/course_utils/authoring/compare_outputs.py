"""Compare the outputs of two runs of one notebook, as the tests do.

The rule is in ``tests/nbval_sanitize.cfg``: a number with a decimal point is a
measurement and is not compared; everything else that a reader can read is.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from nbformat import NotebookNode

SANITIZE = Path("tests", "nbval_sanitize.cfg")
# What the stored outputs were made with.
ENVIRONMENT = {
    "COURSE_PROGRESS_FILE": "",
    "COURSE_SEED": "0",
    "COURSE_DATA": "embedded",
}

Outputs = Sequence[NotebookNode]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells of ``notebook``, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", []))


def _rules(config: Path) -> list[tuple[str, str]]:
    pattern = r"^regex: (.*)\n^replace: (.*)$"
    rules = re.findall(pattern, config.read_text("utf-8"), re.MULTILINE)
    if not rules:
        raise ValueError(f"Expected `regex:` and `replace:` lines in {config}.")
    return rules


def measurements(text: str, config: Path) -> list[str]:
    """Return the numbers in ``text`` that the first rule of ``config`` hides.

    Raises:
        ValueError: If ``config`` holds no pair of ``regex:`` and ``replace:`` lines.
    """
    return [each.strip() for each in re.findall(_rules(config)[0][0], text)]


def sanitizer(config: Path) -> Callable[[str], str]:
    """Return the function that hides measurements, as nbval does with ``config``.

    Raises:
        ValueError: If ``config`` holds no pair of ``regex:`` and ``replace:`` lines.
    """
    rules = _rules(config)

    def sanitize(text: str) -> str:
        for regex, replacement in rules:
            text = re.sub(regex, replacement, text)
        return text

    return sanitize


def read_text(outputs: Outputs) -> str:
    """Return everything that can be read, the alt text of figures included."""
    parts = [
        {
            "text": output.get("text"),
            "error": (output.get("ename"), output.get("evalue")),
            "data": {
                kind: value
                for kind, value in output.get("data", {}).items()
                if not kind.startswith("image/")
            },
            "metadata": output.get("metadata"),
        }
        for output in outputs
    ]
    # Sorted, because a stored notebook is and a kernel's message is not.
    return json.dumps(parts, sort_keys=True, ensure_ascii=False)


def pictures(outputs: Outputs) -> list[str]:
    """Return the pictures, encoded as they are stored."""
    data = [item for output in outputs for item in output.get("data", {}).items()]
    return [value for kind, value in data if kind.startswith("image/")]


def differing_cells(
    stored: NotebookNode, fresh: NotebookNode, sanitize: Callable[[str], str]
) -> tuple[int, ...]:
    """Return the code cells, from 1 on, whose text differs in more than measurements.

    Raises:
        ValueError: If the two do not have the same number of code cells.
    """
    pairs = zip(code_cells(stored), code_cells(fresh), strict=True)
    return tuple(
        number
        for number, (old, new) in enumerate(pairs, start=1)
        if sanitize(read_text(old.outputs)) != sanitize(read_text(new.outputs))
    )


def brings_news(
    stored: NotebookNode, fresh: NotebookNode, sanitize: Callable[[str], str]
) -> bool:
    """Return whether ``fresh`` differs from ``stored`` in more than measurements.

    Another picture beside exactly the same text counts as a difference, too.
    """
    pairs = zip(code_cells(stored), code_cells(fresh), strict=True)
    return bool(differing_cells(stored, fresh, sanitize)) or any(
        read_text(old.outputs) == read_text(new.outputs)
        and pictures(old.outputs) != pictures(new.outputs)
        for old, new in pairs
    )
