"""Read a stored notebook, or say in one sentence why it cannot be read."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.shipped_records import REMEDY, conflict

if TYPE_CHECKING:
    from nbformat import NotebookNode


def _wrong_json(text: str) -> str:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
            return f"breaks off in line {text.count(chr(10)) + 1}"
        return f"is damaged at line {error.lineno}"
    whole = isinstance(content, dict) and isinstance(content.get("cells"), list)
    return "" if whole else "is not a notebook of format 4"


def damage(path: Path) -> str:
    """Return what is wrong with a notebook's file and the remedy, or ``""``.

    Nothing that a learner wrote is lost by what the sentence advises.

    Args:
        path: An existing file.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return f"is not text in UTF-8: {REMEDY}"
    if not text.strip():
        return "is empty: restore the file with git"
    if found := conflict(text):
        return found
    wrong = _wrong_json(text)
    return wrong and f"{wrong}: {REMEDY}"


def read_notebook(path: Path) -> "NotebookNode":
    """Return the notebook in a file.

    Raises:
        ValueError: If the file is damaged, in one sentence.
    """
    if found := damage(path):
        raise ValueError(f"{path.parent.name}/{path.name} {found}.")
    import nbformat  # half a second that a command's error need not wait for

    return nbformat.read(path, as_version=4)
