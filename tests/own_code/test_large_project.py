"""A project of many files is read as one file is, and in a short time."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from course_utils.capstone import repairs, script, symptoms
from course_utils.own_code.tryout import script as tryout

pytestmark = pytest.mark.slow
DIGITS = script.ORIGINAL.read_text("utf-8")
DEMAND = tryout.ORIGINAL.read_text("utf-8")
FAULTS = [each.practice for each in symptoms.SYMPTOMS]
# Name of a file, its text, and what is found in it by reading.
FILES = {
    "digits": (DIGITS, {*FAULTS, "9.3"} - {"12.5", "10.1"}),
    "digits_mended": (repairs.repaired(DIGITS, *FAULTS), set()),
    "demand": (DEMAND, {"4.2", "10.1", "12.4"}),
    "demand_mended": (repairs.repaired(DEMAND, repairs=tryout.REPAIRS), set()),
}
READ = "from course_utils.cli import app; app()"
TORCH = "import torch"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder of five packages with four scripts each."""
    for number in range(5):
        package = tmp_path / f"study_{number}"
        package.mkdir()
        for name, (text, _) in FILES.items():
            (package / f"{name}.py").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return tmp_path


def run(code: str, *args: str) -> tuple[float, str]:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    return time.monotonic() - start, done.stdout


def test_a_large_project_is_read_completely_and_soon(project):
    lines = sum(len(p.read_text("utf-8").splitlines()) for p in project.rglob("*.py"))
    assert lines > 2000
    reading, importing = [], []
    for _ in range(3):
        seconds, printed = run(READ, "check", ".", "--json")
        reading.append(seconds)
        importing.append(run(TORCH)[0])
    found: dict[str, set[str]] = {}
    for each in json.loads(printed)["findings"]:
        found.setdefault(each["file"], set()).add(each["practice"])
    for path in project.rglob("*.py"):
        name = path.relative_to(project).as_posix()
        assert found.get(name, set()) == FILES[Path(name).stem][1], name
    assert statistics.median(reading) < statistics.median(importing)
