"""Read a record that ships with the course, or say in one sentence why it cannot be."""

import json
import re
from importlib import resources
from typing import Any

FOLDER = resources.files("course_utils") / "records"
CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
REMEDY = "keep a copy of it and restore the file with git"


def conflict(text: str, remedy: str = f"resolve it, or {REMEDY}") -> str:
    """Return where git's marks of a merge conflict begin in ``text``, or ``""``."""
    mark = CONFLICT.search(text)
    if mark is None:
        return ""
    line = text.count("\n", 0, mark.start()) + 1
    return f"holds a merge conflict at line {line}: {remedy}"


def read(name: str) -> dict[str, Any]:
    """Return what a file in ``course_utils/records`` holds, ``{}`` if it is absent.

    Raises:
        ValueError: If the file is damaged, in one sentence.
    """
    file = FOLDER / name
    if not file.is_file():
        return {}
    text = file.read_text("utf-8", errors="replace")
    try:
        record: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        found = conflict(text) or f"is damaged at line {error.lineno}: {REMEDY}"
        raise ValueError(f"src/course_utils/records/{name} {found}.") from error
    return record
