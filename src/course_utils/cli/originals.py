"""The course's files as a learner gets them: what JupyterLab itself would save.

So a lesson that was only opened needs no saving. Lessons come without their outputs:
no answer stands below its question.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from course_utils import syllabus
from course_utils.authoring.notebook_files import damage

LESSONS, SOLUTIONS = "notebooks", "solutions"
# Lessons link to them.
PAGES = (
    "src/course_utils/records/evidence.md",
    *("site/symptoms.md", "site/check.md"),
)
TIMES = "execution"  # what JupyterLab notes in a cell's metadata


def digest(content: bytes) -> str:
    """Return what tells one content from another."""
    return hashlib.sha256(content).hexdigest()


@cache
def _kernel() -> dict[str, Any]:
    """Return the metadata that JupyterLab gives a notebook as soon as its kernel runs.

    With any other, the notebook counts as changed when it has only been opened.
    """
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelspec import get_kernel_dict

    spec = get_kernel_dict()
    named = {"display_name": spec["display_name"], "language": spec["language"]}
    info = dict(IPythonKernel.language_info)
    return {"kernelspec": {**named, "name": "python3"}, "language_info": info}


def _without_outputs(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return cell
    metadata = {key: value for key, value in cell["metadata"].items() if key != TIMES}
    return {**cell, "metadata": metadata, "outputs": [], "execution_count": None}


def _to_bytes(notebook: Mapping[str, Any]) -> bytes:
    """Return a notebook's file, to the byte as Jupyter writes it."""
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
    return f"{text}\n".encode()


@dataclass(frozen=True)
class Original:
    """What the course lays at one place of the copy.

    Attributes:
        content: The bytes of the file.
        version: Changes with what the learner gets to read, and not with the versions
            of Python and Jupyter, nor with the outputs that were cleared.
    """

    content: bytes
    version: str


def _original(path: Path, cleared: bool) -> Original:
    """Return what is laid for a file of the course, ``cleared`` of its outputs."""
    if path.suffix != ".ipynb":
        return Original(path.read_bytes(), digest(path.read_bytes()))
    notebook = json.loads(path.read_text("utf-8"))
    cells = notebook["cells"]
    notebook["cells"] = [_without_outputs(c) for c in cells] if cleared else cells
    title = {k: v for k, v in notebook["metadata"].items() if k == "title"}
    notebook["metadata"] = title
    version = digest(_to_bytes(notebook))
    return Original(_to_bytes({**notebook, "metadata": title | _kernel()}), version)


def originals(course: Path) -> Iterator[tuple[str, Original | str]]:
    """Yield the place in a copy of each file of ``course``, with the file.

    A sentence stands for a file that is damaged.
    """
    pairs = [f"{lesson.file}.ipynb" for lesson in syllabus.load().ready]
    names = [f"{folder}/{pair}" for folder in (LESSONS, SOLUTIONS) for pair in pairs]
    for name in (*names, *PAGES):
        path = course / name
        if not path.is_file():
            continue
        found = damage(path) if path.suffix == ".ipynb" else ""
        cleared = name.startswith(LESSONS)
        yield name, f"{name} {found}." if found else _original(path, cleared)
