"""One notebook, executed headless in a separate kernel."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import v4

from course_utils.authoring.execute import execute_notebook


@pytest.fixture
def store(tmp_path: Path):
    """Return a function that stores a notebook of code cells and returns its path."""

    def stored(*sources: str, tag: str = "") -> Path:
        metadata = {"tags": [tag]} if tag else {}
        cells = [v4.new_code_cell(source, metadata=metadata) for source in sources]
        foreign = {"kernelspec": {"name": "not-installed", "display_name": "X"}}
        path = tmp_path / "lesson.ipynb"
        nbformat.write(v4.new_notebook(cells=cells, metadata=foreign), path)
        return path

    return stored


def execute(path: Path, **options):
    """Return a stored notebook executed in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    return execute_notebook(notebook, path.parent, **options)


def texts(run) -> list[str]:
    return ["".join(o.get("text", "") for o in c.outputs) for c in run.notebook.cells]


def test_a_clean_run_uses_this_python_in_the_notebooks_folder(store):
    path = store(
        "import os, sys\nprint(sys.executable)",
        "print(os.getcwd())",
        "print(os.environ['COURSE_SEED'])\nsys.stdout.flush()\nprint('end')",
    )
    before = path.read_bytes()
    seen = []
    run = execute(
        path,
        environment={"COURSE_SEED": "7"},
        on_cell=lambda done, total: seen.append((done, total)),
    )
    assert run.ok
    assert texts(run) == [f"{sys.executable}\n", f"{path.parent}\n", "7\nend\n"]
    assert len(run.notebook.cells[2].outputs) == 1
    assert [cell.execution_count for cell in run.notebook.cells] == [1, 2, 3]
    assert all("execution" not in cell.metadata for cell in run.notebook.cells)
    assert seen == [(0, 3), (1, 3), (1, 3), (2, 3), (2, 3), (3, 3)]
    assert run.seconds > 0
    assert path.read_bytes() == before


TRANSPORT = """
from ipykernel.kernelapp import IPKernelApp
print(IPKernelApp.instance().transport)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such sockets")
@pytest.mark.parametrize(("longer_by", "transport"), [(0, "ipc"), (60, "tcp")])
def test_no_port_is_taken_where_a_file_will_do(
    store, monkeypatch, longer_by, transport
):
    with tempfile.TemporaryDirectory(suffix="x" * longer_by) as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        run = execute(store(TRANSPORT))
        monkeypatch.undo()
        assert os.listdir(folder) == []
    assert texts(run) == [f"{transport}\n"]


def test_a_failed_cell_is_one_sentence_and_ends_the_run(store):
    run = execute(store("print(1)", "\nvalue = 1 / 0", "print(3)"))
    assert run.failure == (
        "Cell 2 of 3 (`value = 1 / 0`) raised ZeroDivisionError: division by zero."
    )
    assert not run.ok
    assert texts(run) == ["1\n", "", ""]


def test_an_expected_error_is_an_output(store):
    run = execute(store("1 / 0", tag="raises-exception"))
    assert run.ok
    assert run.notebook.cells[0].outputs[0].ename == "ZeroDivisionError"


def test_a_kernel_that_dies_is_reported(store):
    failure = execute(store("import os", "os._exit(1)")).failure
    assert failure.startswith("Cell 2 of 2 (`os._exit(1)`) ended the kernel")


def test_a_cell_that_does_not_end_is_reported_and_its_kernel_is_gone(store):
    path = store(
        "import os\nopen('pid', 'w').write(str(os.getpid()))\nimport time",
        "time.sleep(60)",
    )
    run = execute(path, timeout_seconds=2)
    assert run.failure == (
        "Cell 2 of 2 (`time.sleep(60)`) did not finish within 2 seconds."
    )
    assert not psutil.pid_exists(int(path.with_name("pid").read_text()))


@pytest.mark.parametrize(
    "error",
    [
        CellExecutionError("", "KeyboardInterrupt", ""),
        AttributeError("'NoneType' object has no attribute 'shutdown_kernel'"),
        asyncio.CancelledError(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_no_error_of_nbclient_after_ctrl_c_counts_as_a_failed_cell(
    store, monkeypatch, error
):
    def interrupted(client, **start):
        client._async_cleanup_kernel_future = object()  # set by its signal handler
        raise error

    path = store("1")
    monkeypatch.setattr(NotebookClient, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT")
def test_ctrl_c_ends_the_kernel_too(store):
    path = store(
        "import os\n"
        "open('pid.part', 'w').write(str(os.getpid()))\n"
        "os.rename('pid.part', 'pid')\n"
        "import time; time.sleep(60)"
    )
    program = f"""
import nbformat
from course_utils.authoring.execute import execute_notebook
try:
    execute_notebook(nbformat.read({str(path)!r}, 4), {str(path.parent)!r})
except KeyboardInterrupt:
    print("stopped by the user")
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    )
    noted = path.with_name("pid")
    while not noted.exists():
        assert child.poll() is None
        time.sleep(0.05)
    kernel = int(noted.read_text())
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=60)[0] == "stopped by the user\n"
    assert not psutil.pid_exists(kernel)
