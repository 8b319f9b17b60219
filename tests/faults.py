"""Real faults, and what the tests of faults share: processes, folders, a driver."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_notebook

HERE = Path(__file__).parent
COURSE = [sys.executable, "-c", "from course_utils.cli import app; app()"]


def path_of(*folders: Path) -> str:
    """Return a PYTHONPATH of ``folders`` and what it names already."""
    before = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(filter(None, [*map(str, folders), before]))


def command(scenario: Callable[..., Any], *arguments: object) -> list[str]:
    """Return the command that prints, as JSON, what a function of a module returns.

    Args:
        scenario: Best in a module of few imports.
        *arguments: Passed on by their ``repr``.
    """
    module, name = scenario.__module__, scenario.__name__
    code = f"import json, {module} as m\nprint(json.dumps(m.{name}(*{arguments!r})))"
    return [sys.executable, "-c", code]


def outcome(scenario: Callable[..., Any], *arguments: object) -> tuple[list[str], Any]:
    """Return the lines that a `command` prints, and what its function returns.

    Args:
        scenario: It returns something that JSON can hold.
        *arguments: Passed on by their ``repr``.
    """
    done = subprocess.run(
        command(scenario, *arguments),
        env={**os.environ, "PYTHONPATH": path_of(HERE)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    *said, result = done.stdout.splitlines()
    return said, json.loads(result)


def write_notebook(path: Path, *cells: str) -> Path:
    """Store a notebook of code cells and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell(c.strip()) for c in cells]), path)
    return path


def wait_for(condition: Callable[[], Any], seconds: float = 200) -> Any:
    """Return the first true answer of ``condition``."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return answer


def lives(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def noted_pids(folder: Path, count: int) -> list[int]:
    """Return the process ids in ``count`` files ``*.pid``, once all are there."""

    def read() -> list[int]:
        texts = [path.read_text() for path in folder.glob("*.pid")]
        return [int(text) for text in texts if text] if all(texts) else []

    return wait_for(lambda: len(found := read()) == count and found)
