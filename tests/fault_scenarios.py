"""What the tests of faults run in a separate process, with few imports."""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from course_utils import progress
from course_utils.data import cache
from course_utils.data.cache import DataError, embedded_root
from course_utils.distributed import ProcessError, run_processes
from course_utils.experiments.claims import claim

try:
    import resource
except ImportError:  # Windows, where the tests of faults are skipped
    resource = None

UNLIMITED = -1  # bytes, as RLIM_INFINITY


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes, also not root's.

    It is the system that refuses, in the way of a full disk: a write takes what still
    fits and says how much that was, the next one fails.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files() -> list[str]:
    return [path.name for path in Path().rglob("*") if path.is_file()]


def digits(root: Path) -> str:
    names = [root / "MNIST" / "raw" / name for name in cache.IDX_FILES]
    content = b"".join(name.read_bytes() for name in names)
    return hashlib.sha256(content).hexdigest()


def _keep(what: str, number: int) -> str:
    """Write one line; return what is printed beside the verdict."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        if what == "progress":
            progress.record("exercise", f"12.{number}", "correct")
        else:
            claim(f"12.{number}", "it holds", number, at_least=0)
    return "".join(x for x in said.getvalue().splitlines() if not x.startswith("✓"))


def lines_while_the_disk_is_full(what: str) -> dict[str, list[str]]:
    file = Path(f"{what}.jsonl")
    said = [_keep(what, number) for number in range(5)]
    with no_file_beyond(file.stat().st_size + 500):
        said += [_keep(what, number) for number in range(5, 25)]
    said += [_keep(what, number) for number in range(25, 30)]
    return {
        "said": said,
        "kept": [json.loads(line)["practice"] for line in file.open(encoding="utf-8")],
    }


def unpack(limit: int) -> list[str]:
    with no_file_beyond(limit):
        try:
            said = digits(embedded_root())
        except DataError as error:
            said = str(error)
    return [said, *files()]


def big_result(method: str) -> list[object]:
    def work() -> bytes:
        return bytes(2_000_000)

    with no_file_beyond(1_000_000):
        try:
            said = str(run_processes(work, method=method))
        except ProcessError as error:
            said = str(error)
    return [said, [len(result) for result in run_processes(work, method=method)]]


def no_room_at_all(method: str) -> str:
    with no_file_beyond(0):
        try:
            return str(run_processes(lambda: None, method=method))
        except ProcessError as error:
            return str(error)


def executed(notebook: str) -> dict[str, Any]:
    """Return failure, texts and errors of a notebook; a scenario for `outcome`."""
    import nbformat

    from course_utils.authoring.execute import execute_notebook

    stored, folder = nbformat.read(notebook, as_version=4), Path(notebook).parent
    run = execute_notebook(stored, folder, timeout_seconds=200)
    outputs = [o for cell in run.notebook.cells for o in cell.get("outputs", [])]
    return {
        "failure": run.failure,
        "text": "".join(o.text for o in outputs if o.get("name") == "stdout"),
        "noise": "".join(o.text for o in outputs if o.get("name") == "stderr"),
    }


def jupyters_folders() -> list[object]:
    """Return what `course lab` gives JupyterLab, and where that writes then."""
    from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir
    from jupyter_core.paths import jupyter_runtime_dir as runtime_dir

    from course_utils.cli import lab

    os.environ.update(lab.environment())
    folders = [jupyter_config_dir(), jupyter_data_dir(), runtime_dir()]
    for folder in folders:
        Path(folder, "new").mkdir(parents=True)
    return folders


def command_without_room(*arguments: str) -> int:
    """Run the command ``course`` without a byte left; return its exit status."""
    from typer.testing import CliRunner

    from course_utils.cli import app

    with no_file_beyond(0):
        result = CliRunner().invoke(app, list(arguments))
    print(result.output)
    return result.exit_code


def copied_script() -> list[object]:
    """Copy the capstone's script without room, then with; return what lies there."""
    from course_utils.capstone import copy_script
    from course_utils.capstone.script import ORIGINAL

    with no_file_beyond(1000), contextlib.suppress(OSError):
        copy_script("mine")
    left = files()
    return [left, copy_script("mine").read_bytes() == ORIGINAL.read_bytes(), files()]
