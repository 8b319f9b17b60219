"""Many learners at once: real kernels on this machine, with tiny notebooks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from command_line import course_says, sentence
from nbformat import v4

from course_utils.authoring.execute import ExecutedNotebook
from course_utils.authoring.load_test import load as load_module
from course_utils.authoring.load_test import server
from course_utils.authoring.load_test.load import (
    check,
    kernel_memory,
    measure,
    summarize,
)
from course_utils.authoring.load_test.record import Load
from course_utils.cli.load import counts, why_too_many
from course_utils.ready_kernel import suitable

REPOSITORY = Path(__file__).parents[3]
LESSON = "notebooks/12_common_pitfalls.ipynb"
linux = pytest.mark.skipif(sys.platform != "linux", reason="shared memory is counted")

Cell = tuple[str, str]


def store(name: str, *cells: Cell) -> Path:
    """Store a notebook of code cells given as (source, what it prints)."""
    made = [
        v4.new_code_cell(
            source, outputs=[v4.new_output("stream", text=text)] if text else []
        )
        for source, text in cells
    ]
    nbformat.write(v4.new_notebook(cells=made), name)
    return Path(name)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Change to an empty course, whose outputs are compared by the real rule."""
    for name in ("notebooks", "tests"):
        (tmp_path / name).mkdir()
    rule = Path("tests", "nbval_sanitize.cfg")
    (tmp_path / rule).write_bytes((REPOSITORY / rule).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_SEED", "7")
    # So that nothing but kernels is started.
    monkeypatch.setenv("COURSE_KERNEL", "ordinary")
    return tmp_path


@pytest.fixture
def no_server(monkeypatch):
    monkeypatch.setattr(load_module, "server_megabytes", lambda: 60.0)


# Kernels


@linux
def test_two_learners_get_the_stored_outputs_in_empty_folders(course, no_server):
    environment = (
        "import os\n"
        "print(os.environ['COURSE_SEED'], repr(os.environ['COURSE_PROGRESS_FILE']))"
    )
    memory = (
        "import time\nblock = b'x' * 100 * 2**20\n"
        "print(f'{time.time():.3f} s, block {len(block) // 2**20}')"
    )
    notebook = store(
        LESSON,
        (environment, "0 ''\n"),
        ("print(os.listdir())", "[]\n"),
        (memory, "0.125 s, block 100\n"),
    )
    before, children = notebook.read_bytes(), psutil.Process().children()
    seen = []
    load, remarks = measure(
        notebook, course, 2, on_cell=lambda *cells: seen.append(cells)
    )
    assert remarks == ()
    assert load.good
    assert (load.learners, load.finished, load.right) == (2, 2, 2)
    assert seen[-1] == (6, 6)
    assert 0 < load.median_seconds <= load.slowest_seconds
    assert load.processor_seconds > 0
    assert load.kernels_megabytes >= load.private_megabytes >= 200
    assert load.server_megabytes == 60
    assert notebook.read_bytes() == before
    assert psutil.Process().children() == children


@linux
@pytest.mark.slow
def test_kernels_stay_until_the_slowest_learner_is_done(course, no_server):
    nap = "import os, time\ntime.sleep(3 * os.getcwd().endswith('learner_02'))\n"
    block = "block = b'x' * 100 * 2**20"
    load, _ = measure(store(LESSON, (nap + block, "")), course, 2)
    assert load.private_megabytes >= 200
    assert load.median_seconds < load.slowest_seconds - 1


@linux
def test_each_learners_failure_is_named_and_the_others_finish(course, no_server):
    notebook = store(
        LESSON,
        ("import os\nme = os.path.basename(os.getcwd())", ""),
        ("print(me == 'learner_02')", "False\n"),
        ("if me == 'learner_03':\n    os._exit(1)", ""),
        ("if me == 'learner_04':\n    1 / 0", ""),
    )
    load, remarks = measure(notebook, course, 4)
    assert remarks == (
        "Learner 2: other outputs than stored in code cell 2.",
        "Learner 3: Cell 3 of 4 (`if me == 'learner_03':`) ended the kernel; it may "
        "have run out of memory.",
        "Learner 4: Cell 4 of 4 (`if me == 'learner_04':`) raised ZeroDivisionError: "
        "division by zero.",
    )
    assert (load.learners, load.finished, load.right) == (4, 2, 1)
    assert not load.good


@linux
def test_the_memory_of_a_child_process_is_counted():
    code = "block = b'x' * 100 * 2**20; print(flush=True); input()"
    total, private = kernel_memory()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        more, more_private = kernel_memory()
        child.communicate(b"\n")
    assert more - total >= more_private - private >= 100


# The server


@linux
@pytest.mark.slow
def test_a_real_server_takes_tens_of_megabytes_and_ends():
    children = psutil.Process().children()
    assert 20 < server.server_megabytes() < 200
    assert psutil.Process().children() == children


def test_a_server_that_does_not_start_is_reported_with_its_last_words(monkeypatch):
    last_words = [sys.executable, "-c", "print('no luck today'); raise SystemExit(3)"]
    monkeypatch.setattr(server, "_command", lambda home: last_words)
    with pytest.raises(RuntimeError, match="last line of output: no luck today"):
        server.server_megabytes()


# The command


@linux
@pytest.mark.slow
def test_the_command_shows_each_load_and_records_only_a_good_one(course, no_server):
    record = course / "record.json"
    store(LESSON, ("print(1 + 1)", "3\n"))
    result = course_says("load", "12", "--learners", "1", "--record", str(record))
    assert result.exit_code == 1, result.output
    assert "Learner 1: other outputs than stored in code cell 1." in result.stderr
    assert not record.exists()

    store(LESSON, ("print(1 + 1)", "2\n"))
    result = course_says("load", "12", "--learners", "2", "--record", str(record))
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row[:3] for row in rows if row and row[-1] == "✓"] == [["2", "2", "2"]]
    kept = json.loads(record.read_text("utf-8"))
    assert kept["lesson"] == "12"
    assert [load["learners"] for load in kept["loads"]] == [2]
    assert str(Path.home()) not in record.read_text("utf-8")


@linux
@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["ordinary", "ready"])
def test_ctrl_c_ends_all_kernels_in_one_sentence(course, kernel):
    nap = "open('started', 'w').close()\nimport time; time.sleep(600)"
    store(LESSON, (nap, ""))
    temporary = course / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-c", "from course_utils.cli import app; app()", "load"]
    with subprocess.Popen(
        [*command, "--learners", "2"],
        env={**os.environ, "TMPDIR": str(temporary), "COURSE_KERNEL": kernel},
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        while len(list(temporary.glob("*/*/started"))) < 2 and child.poll() is None:
            time.sleep(0.05)
        kernels = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    # Two, and what they are forked from.
    assert len(kernels) == (3 if kernel == "ready" and not suitable.has_gpu() else 2)
    assert child.returncode == 130
    assert errors.strip() == "Stopped. All kernels have ended; nothing was recorded."
    assert not any(kernel.is_running() for kernel in kernels)


@linux
@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["77"], "Expected a lesson from 00 to 15 but got '77'"),
        (["--learners", "some"], "whole numbers separated by commas"),
        (["--learners", "0,4"], "Expected from 1 to 64 learners but got 0."),
        (["--learners", "65"], "Expected from 1 to 64 learners but got 65."),
        (["--record", "no/such/x"], "Expected --record to be a file that can be"),
        (["11"], "11_code_quality.ipynb to be there: run `make sync`."),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_starts(course, args, part):
    store(LESSON, ("print(1)", "1\n"))
    assert part in sentence(course_says("load", *args), 2)


def test_a_missing_jupyter_server_is_one_sentence_with_the_remedy(course, monkeypatch):
    store(LESSON, ("print(1)", "1\n"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = sentence(course_says("load"), 2)
    assert "run `python -m pip install jupyterlab`" in said


def test_other_systems_than_linux_are_refused(course, monkeypatch):
    monkeypatch.setattr(psutil, "LINUX", False)
    with pytest.raises(ValueError, match="Expected Linux"):
        check(course / "notebooks", 1)


def test_numbers_of_learners_are_sorted_and_count_once():
    assert counts("12, 1,4,1") == [1, 4, 12]


# Arithmetic


def test_more_learners_than_fit_into_the_free_memory_are_refused():
    four = Load(4, 4, 4, 20.0, 20.0, 30.0, 2000.0, 1600.0, 60.0)
    assert why_too_many([], 12, 10.0) == ""
    assert why_too_many([four], 12, 6000.0) == ""
    assert why_too_many([four], 12, 5999.0) == (
        "12 learners need about 6,000 MB but only 5,999 MB are free: close other "
        "programs, or choose fewer --learners."
    )


def test_the_summary_of_a_load_by_hand():
    failures = {10.0: "", 12.04: "", 50.0: "Cell 1 of 2 (`x`) ended the kernel."}
    runs = [ExecutedNotebook(v4.new_notebook(), *each) for each in failures.items()]
    remarks = ["", "Other outputs.", "Cell 1 of 2 (`x`) ended the kernel."]
    load = summarize(runs, remarks, (900.04, 600.0), 60.0, 90.0)
    assert load == Load(3, 2, 1, 12.0, 50.0, 20.0, 900.0, 600.0, 90.0)
    assert not load.good
    assert summarize(runs[:1], remarks[:1], (1.0, 1.0), 1.0, 90.0).good
