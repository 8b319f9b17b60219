"""``course evidence``: real kernels, tiny notebooks, Dask's workers on this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import CLAIM, SEED, course, course_says, sentence, write
from evidence_samples import claim, outcome
from fault_scenarios import no_file_beyond
from rich.console import Console

from course_utils.authoring.evidence import parallel, store
from course_utils.authoring.evidence.summary import SIGNS, summarize
from course_utils.cli import evidence as command
from course_utils.cli.evidence import summary_table

__all__ = ["course"]  # the fixture
pytestmark = pytest.mark.slow
ZERO = SEED + CLAIM.format("0.1", "zero", "settings.seed() + .5")


def _lines(name="out.jsonl"):
    return store.read(Path(name))


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--data", "mnits"], "Expected --data to be one of"),
        (["--data", "embedded:some"], "with ':all' behind it for all of its images"),
        (["--data", "embedded:all"], "but got 'embedded:all'"),
        (["--publish", "x"], "Expected --output, whose runs --publish sums up"),
        (["1", "--scheduler", "tcp://127.0.0.1:1"], "but none answered; start one"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_runs(
    course, monkeypatch, args, part
):
    monkeypatch.setattr(parallel, "_PATIENCE", 1)  # for a scheduler that is not there
    assert part in sentence(course_says("evidence", *args), 2)


def test_data_that_is_not_here_is_told_before_anything_runs(course, monkeypatch):
    empty = course / "empty"
    empty.mkdir()
    monkeypatch.setenv("COURSE_DATA_DIR", str(empty))
    line = sentence(course_says("evidence", "--data", "fashion-mnist"), 1)
    assert "Expected Fashion-MNIST in" in line


def test_without_dask_the_remedy_is_told(course, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    line = sentence(course_says("evidence", "0"), 2)
    assert line.startswith("Expected Dask,")
    assert "pip install distributed" in line


def test_a_damaged_notebook_is_one_sentence(course):
    Path("notebooks/00_tiny.ipynb").write_text("{", "utf-8")
    assert "00_tiny.ipynb breaks off in line 1" in sentence(course_says("evidence"), 2)


def test_evidence_sums_up_seeds_keeps_every_run_and_publishes(course):
    write("00_tiny", ZERO)
    args = ["0", "--seeds", "3", "--first-seed", "1", "--output", "out.jsonl"]
    result = course_says("evidence", *args, "--publish", "to")
    assert result.exit_code == 1
    row = next(line.split() for line in result.stdout.splitlines() if "zero" in line)
    assert row == ["0.1", "zero", "1.500", "2.500", "3.500", "≥", "2", "2/3"]
    assert sorted(each.task.seed for each in _lines()) == [1, 2, 3]
    assert all(each.task.data == "embedded" for each in _lines())
    assert [each.task.seed for each in _lines("to/evidence.jsonl")] == [1, 2, 3]
    assert Path("to/confidence.json").read_text("utf-8") == "{\n\n}\n"
    assert "2/3 **broken**" in Path("to/evidence.md").read_text("utf-8")


def test_a_second_call_runs_only_what_is_missing_or_was_changed(course):
    again = ["evidence", "0", "--output", "out.jsonl", "--seeds"]
    write("00_tiny", ZERO)
    course_says(*again, "1")
    result = course_says(*again, "2")
    assert "1 of 2 runs were finished before." in result.stderr
    assert "0/2" in result.stdout
    assert [each.task.seed for each in _lines()] == [0, 1]
    write("00_tiny", ZERO + "\n1")
    result = course_says(*again, "1")
    assert "before" not in result.stderr
    assert [each.task.seed for each in _lines()] == [0, 1, 0]


def test_what_was_published_is_not_run_again_and_stays_in_the_record(course):
    write("00_tiny", ZERO)
    args = ["evidence", "0", "--publish", "to", "--output"]
    course_says(*args, "first.jsonl", "--seeds", "1")
    result = course_says(*args, "second.jsonl", "--seeds", "2")
    assert "1 of 2 runs were finished before." in result.stderr
    assert [each.task.seed for each in _lines("second.jsonl")] == [1]
    assert "0/2 **broken**" in Path("to/evidence.md").read_text("utf-8")
    write("00_tiny", ZERO + "\n1")
    course_says(*args, "third.jsonl", "--seeds", "1", "--first-seed", "5")
    assert "0/1 **broken**" not in Path("to/evidence.md").read_text("utf-8")
    assert "1/1" in Path("to/evidence.md").read_text("utf-8")


def test_a_damaged_record_is_one_sentence(course):
    Path("to").mkdir()
    Path("to/evidence.jsonl").write_text('\n{"runs": 3}\n', "utf-8")
    args = ["--output", "out.jsonl", "--publish", "to"]
    line = sentence(course_says("evidence", "0", *args), 2)
    assert "Expected line 2 of to/evidence.jsonl to be a record but got" in line


def test_a_lesson_that_claims_too_little_is_run_again(course):
    write("01_tiny", CLAIM.format("1.1", "one", 3))
    again = ["evidence", "1", "--seeds", "1", "--output", "out.jsonl"]
    for count in (1, 2):
        result = course_says(*again)
        assert result.exit_code == 1
        assert "No claim was made for 1.2." in result.stderr
        assert len(_lines()) == count


def test_other_data_reach_the_kernel_and_the_tables(course, monkeypatch):
    checks = "import os; assert os.environ['COURSE_DATA'][0] in 'ef'\n"
    write("00_tiny", checks + CLAIM.format("0.1", "zero", 2))
    monkeypatch.setattr(command, "locate", lambda name: None)
    args = ["--seeds", "1", "--data", "embedded,Fashion-MNIST:all"]
    result = course_says("evidence", "0", *args)
    assert result.exit_code == 0, result.stderr
    names = [line for line in result.stdout.splitlines() if line.startswith(("e", "f"))]
    assert names == ["embedded", "fashion-mnist, all"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_stops_it_with_one_sentence_and_keeps_what_was_there(course):
    write("00_tiny", ZERO)
    args = ["0", "--first-seed", "2", "--output", "out.jsonl", "--seeds"]
    assert course_says("evidence", *args, "1").exit_code == 0
    [kept] = _lines()
    with no_file_beyond(Path("out.jsonl").stat().st_size + 100):
        result = course_says("evidence", *args, "2")
    assert result.exit_code == 2
    said = result.stderr.splitlines()[-1]
    assert said.startswith("Expected room in out.jsonl for a finished run but got: No")
    assert said.endswith("it continues from the runs that are kept.")
    assert course_says("evidence", *args, "2").exit_code == 0
    again, later = _lines()  # nothing is left of the line that did not fit
    assert (again, later.task.seed) == (kept, 3)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_keeps_what_had_ended_and_the_next_call_goes_on(course):
    waits = "import time, pathlib\nif settings.seed():\n"
    waits += "    pathlib.Path({!r}).touch(); time.sleep({})"
    begun = course / "begun"
    write("00_start_here", ZERO, waits.format(str(begun), 600))
    code = "from course_utils.cli import app; app()"
    args = ["evidence", "0", "--seeds", "2", "--workers", "1", "--output", "out.jsonl"]
    command_line = [sys.executable, "-c", code, *args]
    with subprocess.Popen(command_line, stderr=subprocess.PIPE, text=True) as child:
        while not begun.exists() and child.poll() is None:
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1] == command.STOPPED + command.RESUME
    assert [each.task.seed for each in _lines()] == [0]


@pytest.mark.parametrize("kind", SIGNS)
def test_the_table_shows_every_kind_of_bound(kind):
    made = claim(1.0, kind=kind)
    table = summary_table(summarize([outcome(made)]), Console(width=100))
    assert table.row_count == 1
