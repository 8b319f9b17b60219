"""A small course in a temporary folder, and the output of `course` there."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from typer.testing import CliRunner

from course_utils import syllabus
from course_utils.cli import app, lab
from course_utils.syllabus import Lesson, Practice, Syllabus

START = lab._start
CLAIM = "from course_utils import claim\nclaim({!r}, {!r}, {}, at_least=2)"
SEED = "from course_utils import settings\n"


def lesson(number: int, **changes) -> Lesson:
    practices = tuple(
        Practice(f"{number}.{i}", "P", ("a", "b"), "a", "E", 1, i * 10) for i in (1, 2)
    )
    entry = {"teaching_minutes": 20, "exercise_minutes": 30, "seconds": 9.0}
    entry |= {"practices": practices, **changes}
    return Lesson(f"{number:02}", f"{number:02}_tiny", "Tiny", "promise", **entry)


SMALL = Syllabus(
    (
        lesson(0, practices=(Practice("0.1", "P", ("a",), "a", "E", 1, 5),)),
        lesson(1),
        lesson(2),
        lesson(3, seconds=0.0),
    )
)


def write(name: str, *cells: str) -> Path:
    path = Path("notebooks", f"{name}.ipynb")
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell(c) for c in cells]), path)
    return path


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(syllabus, "load", lambda: SMALL)
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(tmp_path / "progress.jsonl"))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DATA", "embedded")
    monkeypatch.setenv("COLUMNS", "80")
    # An undetected mistake would start a server that never ends.
    monkeypatch.setattr(lab, "_start", lambda args: pytest.fail("a server starts"))
    for name in ("COURSE_SEED", "COURSE_DATA_DIR", "COURSE_EVIDENCE", "COURSE_LESSONS"):
        monkeypatch.delenv(name, raising=False)
    write("00_tiny", CLAIM.format("0.1", "zero", 2))
    write("01_tiny", CLAIM.format("1.1", "one", 3), CLAIM.format("1.2", "two", 4))
    return tmp_path


def course_says(*args: str, **kwargs):
    return CliRunner().invoke(app, list(args), **kwargs)


def sentence(result, status: int) -> str:
    """Return the one line on stderr, after checking that there is nothing else."""
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    [line] = result.stderr.strip().splitlines()  # an old rich adds a blank
    return line
