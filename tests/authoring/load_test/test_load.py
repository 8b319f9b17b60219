"""Many learners on one server: real kernels on a real server, on loopback."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import nbformat
import psutil
import pytest
from nbformat import v4
from typer.testing import CliRunner

from course_utils.authoring.load_test import server as servers
from course_utils.authoring.load_test.learner import Learner
from course_utils.authoring.load_test.load import check, measure, summary
from course_utils.authoring.load_test.record import Load
from course_utils.authoring.load_test.usage import Memory, ProcessorTime, processor_time
from course_utils.cli import app
from course_utils.cli.load import counts, too_much

HERE = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="shared memory is counted")

Cell = tuple[str, str]


def _notebook(path: Path, *cells: Cell) -> Path:
    """Store code cells given as (source, what it prints)."""
    made = [
        v4.new_code_cell(
            source, outputs=[v4.new_output("stream", text=text)] if text else []
        )
        for source, text in cells
    ]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=made), path)
    return path


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Return an empty course, whose outputs are compared by the real rule."""
    for name in ("notebooks", "tests"):
        (tmp_path / name).mkdir()
    rule = Path("tests", "nbval_sanitize.cfg")
    (tmp_path / rule).write_bytes((HERE.parent / rule).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_SEED", "7")
    return tmp_path


# On loopback


@linux
def test_two_learners_get_the_right_outputs_from_a_server_on_this_machine_only(course):
    addresses = (
        "import os, psutil\n"
        "server = psutil.Process(os.getppid())\n"
        "connections = getattr(server, 'net_connections', None) or server.connections\n"
        "print({each.laddr.ip for each in connections('inet')})"
    )
    environment = (
        "print(os.environ['COURSE_SEED'], repr(os.environ['COURSE_PROGRESS_FILE']))"
    )
    memory = (
        "import time\nblock = b'x' * 100 * 2**20\n"
        "print(f'{time.time():.3f} s, block {len(block) // 2**20}')"
    )
    notebook = _notebook(
        course / "notebooks/12_tiny.ipynb",
        (addresses, "{'127.0.0.1'}\n"),
        (environment, "0 ''\n"),
        ("print(os.listdir())", "['12_tiny.ipynb']\n"),
        (memory, "0.125 s, block 100\n"),
    )
    before, children = notebook.read_bytes(), psutil.Process().children()
    told = []
    load, remarks = measure(
        notebook, course, 2, stagger=0.5, on_cell=lambda *cells: told.append(cells)
    )
    assert remarks == ()
    assert load.good
    assert (load.learners, load.finished, load.right) == (2, 2, 2)
    assert told[-1] == (8, 8)
    assert 0 < load.median_seconds <= load.slowest_seconds
    assert load.processor_seconds > 0
    assert load.kernels_megabytes >= load.private_megabytes >= 200
    assert load.server_megabytes > 10
    assert notebook.read_bytes() == before
    assert psutil.Process().children() == children


@linux
def test_another_output_and_a_dead_kernel_are_told_and_the_others_finish(course):
    notebook = _notebook(
        course / "notebooks/12_tiny.ipynb",
        ("import os\nme = os.path.basename(os.getcwd())", ""),
        ("print(me == 'learner_02')", "False\n"),
        ("if me == 'learner_03':\n    os._exit(1)", ""),
        ("if me == 'learner_04':\n    1 / 0", ""),
    )
    load, remarks = measure(notebook, course, 4, limit=120.0)
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
def test_a_lesson_that_takes_too_long_as_a_whole_is_given_up(course):
    nap = ("import time\ntime.sleep(1.5)", "")
    notebook = _notebook(course / "notebooks/12_tiny.ipynb", nap, nap, nap)
    load, [remark] = measure(notebook, course, 1, limit=3.0)
    assert load.finished == 0
    assert remark.endswith("did not finish within the 3 seconds of the whole lesson.")


@linux
def test_a_server_answers_nobody_without_its_token_and_ends_with_the_block(tmp_path):
    (tmp_path / "home").mkdir()
    with servers.serving(tmp_path, tmp_path / "home", {}) as server:
        assert server.url.startswith("http://127.0.0.1:")
        url = f"{server.url}api/kernels"
        with pytest.raises(HTTPError, match="403"):
            urlopen(url)
        header = {"Authorization": f"token {server.token}"}
        with urlopen(Request(url, headers=header)) as answer:
            assert json.load(answer) == []
        assert server.token not in " ".join(psutil.Process(server.pid).cmdline())
    assert not psutil.pid_exists(server.pid)


def test_a_server_that_does_not_start_says_why(tmp_path, monkeypatch):
    last_words = [sys.executable, "-c", "print('no luck today'); raise SystemExit(3)"]
    monkeypatch.setattr(servers, "_command", lambda root: last_words)
    with (
        pytest.raises(RuntimeError, match="it last said: no luck today"),
        servers.serving(tmp_path, tmp_path, {}),
    ):
        pytest.fail("nothing serves")


# The command


def _course_says(*args: str):
    return CliRunner().invoke(app, ["load", *args])


@linux
def test_the_command_shows_each_load_and_records_only_a_good_one(course):
    path = course / "notebooks/12_common_pitfalls.ipynb"
    _notebook(path, ("print(1 + 1)", "3\n"))
    record = course / "record.json"
    result = _course_says("12", "--learners", "1", "--record", str(record))
    assert result.exit_code == 1, result.output
    assert "Learner 1: other outputs than stored in code cell 1." in result.stderr
    assert not record.exists()

    _notebook(path, ("print(1 + 1)", "2\n"))
    result = _course_says("12", "--learners", "2", "--record", str(record))
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row[:3] for row in rows if row and row[-1] == "✓"] == [["2", "2", "2"]]
    kept = json.loads(record.read_text("utf-8"))
    assert kept["lesson"] == "12"
    assert [load["learners"] for load in kept["loads"]] == [2]
    assert str(Path.home()) not in record.read_text("utf-8")


@linux
def test_ctrl_c_ends_server_and_kernels_in_one_sentence(course):
    started = course / "started"
    _notebook(
        course / "notebooks/12_common_pitfalls.ipynb",
        (f"open({str(started)!r}, 'w').close()\nimport time; time.sleep(600)", ""),
    )
    command = [sys.executable, "-c", "from course_utils.cli import app; app()", "load"]
    with subprocess.Popen(
        [*command, "--learners", "2"], stderr=subprocess.PIPE, text=True
    ) as child:
        while not started.exists() and child.poll() is None:
            time.sleep(0.05)
        family = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert len(family) == 3
    assert child.returncode == 130
    assert errors.strip() == (
        "Stopped. The server and its kernels have ended; nothing is kept."
    )
    _, left = psutil.wait_procs(family, timeout=10)
    assert not left


@linux
@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["77"], "Expected a lesson from 00 to 14 but got '77'"),
        (["--learners", "some"], "whole numbers with commas between them"),
        (["--learners", "0,4"], "Expected from 1 to 64 learners but got 0."),
        (["--learners", "65"], "Expected from 1 to 64 learners but got 65."),
        (["--stagger", "-1"], "Expected a stagger from 0 to 1800 seconds but got -1."),
        (["--record", "no/such/x"], "Expected --record to be a file that can be"),
        (["11"], "11_code_quality.ipynb to be there: run `make sync`."),
    ],
)
def test_a_mistake_is_answered_in_one_sentence_before_anything_starts(
    course, args, part
):
    _notebook(course / "notebooks/12_common_pitfalls.ipynb", ("print(1)", "1\n"))
    result = _course_says(*args)
    assert result.exit_code == 2, result.output
    [line] = result.stderr.splitlines()
    assert part in line


def test_without_a_jupyter_server_the_remedy_is_told(course, monkeypatch):
    _notebook(course / "notebooks/12_common_pitfalls.ipynb", ("print(1)", "1\n"))
    monkeypatch.setattr(servers.importlib.util, "find_spec", lambda name: None)
    result = _course_says()
    assert result.exit_code == 2
    assert "run `python -m pip install jupyterlab`" in result.stderr


def test_another_system_is_refused(course, monkeypatch):
    monkeypatch.setattr(psutil, "LINUX", False)
    with pytest.raises(ValueError, match="Expected Linux"):
        check(course / "notebooks", 1, 0)


def test_numbers_of_learners_are_read_once_each_in_rising_order():
    assert counts("12, 1,4,1") == [1, 4, 12]


# Sums


def _load(learners: int, **changes: float) -> Load:
    return Load(
        **{
            "learners": learners,
            "finished": learners,
            "right": learners,
            "median_seconds": 20.0,
            "slowest_seconds": 20.0,
            "processor_seconds": 30.0,
            "kernels_megabytes": 500.0 * learners,
            "private_megabytes": 400.0 * learners,
            "server_megabytes": 100.0,
            **changes,
        }
    )


def test_a_load_that_the_one_before_shows_to_be_too_large_is_refused():
    assert too_much([], 12, 10.0) == ""
    assert too_much([_load(1), _load(4)], 12, 6000.0) == ""
    assert too_much([_load(1), _load(4)], 12, 5999.0) == (
        "12 learners need about 6,000 MB where 5,999 MB are free: close other programs,"
        " or choose fewer --learners."
    )


def test_the_sums_of_a_load():
    learners = [
        Learner(1, 10.0, "", ()),
        Learner(2, 12.04, "", (3,)),
        Learner(3, 50.0, "Cell 1 of 2 (`x`) ended the kernel.", ()),
    ]
    load = summary(learners, Memory(900.04, 600.0, 90.0), ProcessorTime(57.0, 3.0))
    assert load == Load(3, 2, 1, 12.0, 50.0, 20.0, 900.0, 600.0, 90.0)
    assert not load.good
    assert summary(learners[:1], Memory(), ProcessorTime(1.0, 0.0)).good


@linux
def test_processor_time_of_an_ended_child_is_a_kernels_and_the_rest_the_servers():
    me = psutil.Process()
    burn = (
        "from time import process_time\nend = process_time() + 0.5\n"
        "while process_time() < end: pass"
    )
    before = processor_time(me)
    subprocess.run([sys.executable, "-c", burn], check=True)
    between = processor_time(me)
    exec(burn)
    after = processor_time(me)
    assert between.kernels - before.kernels >= 0.45
    assert after.kernels == between.kernels
    assert after.server - between.server >= 0.45


def test_memory_counts_servers_and_kernels():
    assert Memory(kernels=800.0, private=500.0, server=100.0).total == 900.0
