"""`make gpu` on tiny notebooks and a pretended card, by the code path of a real one."""

import json
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils import hardware, syllabus
from course_utils.authoring.gpu import __main__ as command
from course_utils.authoring.gpu import record, run
from course_utils.authoring.requirements import PROJECT, required
from course_utils.syllabus import Lesson, Practice, Syllabus

DETAILS = {"card": "Tesla T4", "card_megabytes": 15_000, "driver": "1.2", "cuda": "13"}
# A kernel that believes in its GPU, without the seconds that torch's import takes.
PRETEND = """\
import sys, types
sys.modules["course_utils.hardware"] = types.SimpleNamespace(
    profile=lambda: types.SimpleNamespace(accelerator={accelerator!r}),
    peak_gpu_memory=lambda: {{"allocated": 7.5, "reserved": 20}},
)"""
APPEND = """\
import os
with open(os.environ[{variable!r}], "a") as lines:
    print({line!r}, file=lines)"""


def _append(variable, **entry):
    return APPEND.format(variable=variable, line=json.dumps(entry))


def claim(holds=True, practice="1.1"):
    bound = {"kind": "at_least", "threshold": 2.0, "measured": 3.0 if holds else 1.5}
    entry = {"practice": practice, "text": "it is large", "holds": holds, **bound}
    return _append("COURSE_EVIDENCE", **entry)


def verdict(outcome, practice="1.1"):
    entry = {"event": "exercise", "practice": practice, "outcome": outcome}
    return _append("COURSE_PROGRESS_FILE", **entry)


PAIR = _append("COURSE_EVIDENCE", practice="1.1", name="loss", bad=2.5, good=0.5)


def _lesson(number):
    practices = (Practice(f"{number}.1", "P", ("a",), "a", "E", 1, 5),)
    name = f"{number:02}_tiny"
    return Lesson(name[:2], name, "Tiny", "promise", 5, 5, practices, seconds=9.0)


class Course:
    """Two lessons in a folder; `add` writes one of their notebooks."""

    def __init__(self, root):
        self.root, self.file = root, root / "gpu.json"
        for number in (1, 2):
            self.add(f"notebooks/{number:02}_tiny", claim(practice=f"{number}.1"))
            self.add(f"solutions/{number:02}_tiny", verdict("correct", f"{number}.1"))

    def add(self, name, *sources, accelerator="gpu"):
        cells = [PRETEND.format(accelerator=accelerator), *sources]
        path = self.root / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        notebook = new_notebook(cells=[*map(new_code_cell, cells)])
        nbformat.write(notebook, path)
        return path

    def main(self, *arguments):
        return command.main(["--record", str(self.file), *arguments])

    def rows(self):
        return record.read(self.file)[1]

    def run(self, name, *sources, **changes):
        """Return the row of one notebook of lesson 01, executed alone."""
        path = self.add(name, *sources, **changes)
        return run.run_notebook(path, _lesson(1), seed=0, cell_seconds=60)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    monkeypatch.setattr(hardware.torch.cuda, "is_available", lambda: False)


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "ROOT", tmp_path)
    both = Syllabus((_lesson(1), _lesson(2)))
    monkeypatch.setattr(syllabus, "load", lambda: both)
    monkeypatch.setattr(hardware, "profile", lambda: hardware.GPU)
    monkeypatch.setattr(hardware, "gpu_details", lambda: dict(DETAILS))
    # As all kernels do where there is a GPU.
    monkeypatch.setenv("COURSE_KERNEL", "ordinary")
    return Course(tmp_path)


@pytest.fixture
def instant(course, monkeypatch):
    """The course, whose notebooks are not executed: each gets a row that is planned."""
    course.ran, course.planned = [], {}

    def run_notebook(path, lesson, seed, cell_seconds):
        name = f"{path.parent.name}/{path.stem}"
        course.ran.append(name)
        planned = course.planned.get(name, {})
        if isinstance(planned, BaseException):
            raise planned
        code = run.code_digest(nbformat.read(path, as_version=4))
        row = {"code": code, "date": "2026-11-29", "seconds": 1.0, "megabytes": {}}
        return {**row, "failure": "", "claims": [], "pairs": [], **planned}

    monkeypatch.setattr(run, "run_notebook", run_notebook)
    return course


ALL = [f"{f}/{n}_tiny" for n in ("01", "02") for f in ("notebooks", "solutions")]
BROKEN = {"claims": [json.loads('{"practice": "2.1", "text": "t", "holds": false}')]}
BROKEN["claims"][0] |= {"kind": "at_most", "threshold": 1.0, "measured": 2.0}


def test_a_lesson_and_its_solution_run_and_are_on_record(course, capsys):
    course.add("notebooks/01_tiny", claim(), PAIR)
    before = (course.root / "notebooks" / "01_tiny.ipynb").read_bytes()
    assert course.main("01") == 0
    setup, rows = record.read(course.file)
    assert setup.items() >= {**DETAILS, "data": "embedded", "seed": 0}.items()
    assert setup["versions"].keys() == {"python", *run.PACKAGES}
    assert rows.keys() == {"notebooks/01_tiny", "solutions/01_tiny"}
    row = rows["notebooks/01_tiny"]
    assert row["megabytes"] == {"allocated": 7.5, "reserved": 20}
    assert row["seconds"] > 0
    assert len(row["date"]) == len("2026-11-29")
    [made] = row["claims"]
    assert (made["measured"], made["threshold"], made["holds"]) == (3, 2.0, True)
    [pair] = row["pairs"]
    assert pair == {"practice": "1.1", "name": "loss", "bad": 2.5, "good": 0.5}
    said = capsys.readouterr().out
    assert "Tesla T4, data: embedded. 2 of 2 notebooks to run.\n" in said
    assert " s, 8 MB, 1 of 1 claims hold.\n" in said
    assert said.endswith("All ran, and every claim holds.\n")
    assert (course.root / "notebooks" / "01_tiny.ipynb").read_bytes() == before


def test_a_broken_claim_is_on_record_and_the_status_is_1(course, capsys):
    course.add("notebooks/01_tiny", claim(holds=False))
    assert course.main("01") == 1
    assert course.rows()["notebooks/01_tiny"]["claims"][0]["holds"] is False
    said = capsys.readouterr().out
    assert "    ✗ 1.1 it is large: measured 1.5, at least 2.0\n" in said
    assert said.endswith("Failed: notebooks/01_tiny.\n")


def test_a_failing_cell_is_named_and_what_was_claimed_before_it_stays(course):
    row = course.run("notebooks/01_tiny", claim(), "1 / 0")
    assert row["failure"] == (
        "Cell 3 of 4 (`1 / 0`) raised ZeroDivisionError: division by zero."
    )
    assert [each["holds"] for each in row["claims"]] == [True]
    assert row["megabytes"] == {}
    assert not record.ran_well(row)


def test_a_practice_without_a_claim_is_named(course):
    row = course.run("notebooks/01_tiny")
    assert row["failure"] == "No claim was made for 1.1."


def test_a_kernel_that_fell_back_to_the_cpu_counts_as_failed(course):
    row = course.run("notebooks/01_tiny", claim(), accelerator="cpu")
    assert row["failure"] == "Its kernel could not use the GPU."


@pytest.mark.parametrize("verdicts", [["correct", "incorrect"], []])
def test_a_solution_that_is_not_judged_correct_counts_as_failed(course, verdicts):
    row = course.run("solutions/01_tiny", *map(verdict, verdicts))
    assert row["failure"] == "Not judged correct: the solution to 1.1."


def test_a_cell_beyond_its_time_is_stopped(course):
    path = course.add("notebooks/01_tiny", "import time; time.sleep(60)")
    row = run.run_notebook(path, _lesson(1), seed=0, cell_seconds=1)
    assert row["failure"].endswith("did not finish within 1 seconds.")


def test_the_record_is_written_after_each_notebook_and_resumed(instant):
    instant.planned[ALL[2]] = KeyboardInterrupt()
    assert instant.main() == 130
    assert sorted(instant.rows()) == ALL[:2]
    del instant.planned[ALL[2]]
    instant.ran.clear()
    assert instant.main() == 0
    assert instant.ran == ALL[2:]
    instant.ran.clear()
    assert instant.main() == 0
    assert instant.ran == []


def test_what_failed_is_run_again_after_what_never_ran(instant):
    instant.planned |= {ALL[0]: BROKEN, ALL[1]: {"failure": "no"}}
    instant.planned[ALL[2]] = KeyboardInterrupt()
    instant.main()
    instant.ran.clear()
    instant.planned.clear()
    assert instant.main() == 0
    assert instant.ran == [*ALL[2:], *ALL[:2]]


def test_other_code_is_run_again_other_text_is_not(instant):
    instant.main()
    instant.ran.clear()
    path = instant.add("notebooks/02_tiny", claim(practice="2.1"))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, new_markdown_cell("Other text."))
    nbformat.write(notebook, path)
    instant.add("solutions/01_tiny", "other = 1")
    assert instant.main() == 0
    assert instant.ran == ["solutions/01_tiny"]


def test_again_runs_what_ran_well_and_lessons_leave_the_other_rows(instant):
    instant.main()
    instant.ran.clear()
    instant.planned[ALL[2]] = {"seconds": 5.0}
    assert instant.main("02", "--again") == 0
    assert instant.ran == ALL[2:]
    seconds = {name: row["seconds"] for name, row in instant.rows().items()}
    assert seconds == dict.fromkeys(ALL, 1.0) | {ALL[2]: 5.0}


def test_a_failure_that_was_not_asked_for_does_not_count(instant):
    instant.planned[ALL[2]] = BROKEN
    assert instant.main() == 1
    assert instant.main("01") == 0
    assert instant.main("02") == 1


def test_another_card_keeps_no_row_and_is_refused_for_some_lessons(
    instant, monkeypatch, capsys
):
    instant.main()
    before = instant.file.read_bytes()
    other = {**DETAILS, "card": "NVIDIA A10"}
    monkeypatch.setattr(hardware, "gpu_details", lambda: other)
    instant.ran.clear()
    assert instant.main("01") == 2
    said = capsys.readouterr().err
    assert "but card was Tesla T4, is NVIDIA A10: run all lessons, or give " in said
    assert (instant.ran, instant.file.read_bytes()) == ([], before)
    assert instant.main() == 0
    assert instant.ran == ALL
    assert record.read(instant.file)[0]["card"] == "NVIDIA A10"


def test_a_record_that_cannot_be_read_is_left_alone(instant, capsys):
    row = {"failure": "", "claims": []}  # of which code?
    half = json.dumps({"setup": {}, "notebooks": {ALL[0]: row}})
    for text in ("{", "[]", '{"setup": {}, "notebooks": {"a": {}}}', half):
        instant.file.write_text(text)
        assert instant.main() == 2
        assert "to be a record of `make gpu` but it cannot" in capsys.readouterr().err
        assert instant.file.read_text() == text
    assert instant.ran == []


def test_a_record_that_cannot_be_written_costs_one_sentence(instant, capsys):
    instant.file = instant.root / "notebooks" / "01_tiny.ipynb" / "gpu.json"
    assert instant.main() == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert instant.ran == ALL[:1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["77"], "Expected a lesson from 01 to 02 but got '77'"), (["02"], "make sync")],
)
def test_a_lesson_that_is_not_there_is_named(instant, capsys, arguments, said):
    (instant.root / "solutions" / "02_tiny.ipynb").unlink()
    assert instant.main(*arguments) == 2
    assert said in capsys.readouterr().err
    assert not instant.file.exists()


def test_without_a_gpu_one_sentence_says_why_and_nothing_is_written(
    no_gpu, monkeypatch, tmp_path, capsys
):
    file = tmp_path / "gpu.json"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert command.main(["--record", str(file)]) == 2
    assert capsys.readouterr().err == (
        "Nothing is measured without a GPU. GPU: hidden by CUDA_VISIBLE_DEVICES, so "
        "lessons run on the CPU.\n"
    )
    assert not file.exists()


def test_a_missing_package_is_named_with_the_remedy(monkeypatch, capsys):
    find = command.importlib.util.find_spec
    lacking = {"ipykernel", "nbclient"}
    monkeypatch.setattr(
        command.importlib.util,
        "find_spec",
        lambda name: None if name in lacking else find(name),
    )
    assert command.main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Expected ipykernel, nbclient in {sys.executable} but ")
    assert "-m pip install ipykernel nbclient`; without a network, carry" in said


def test_what_is_needed_are_the_dependencies_without_those_of_the_command():
    direct = {name for name in required() if name not in ("rich", "typer")}
    on_new_python = {"tomli"} - set(command.NEEDED)
    kernels = {"ipykernel", "nbclient", "nbformat"}  # of the extra lab
    assert set(command.NEEDED) == direct - on_new_python | kernels
    assert PROJECT["name"] not in command.NEEDED


def test_packages_are_looked_for_before_any_of_them_is_imported():
    code = (
        "import sys, course_utils.authoring.gpu.__main__\n"
        "print({'torch', 'nbformat', 'psutil', 'tomli'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
