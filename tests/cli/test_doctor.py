"""What `course doctor` and the start page say of a machine is what was observed."""

import os
import re
import subprocess
import sys
import tempfile
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import psutil
import pytest
import torch
from command_line import course_says, write

import course_utils
from course_utils import hardware, syllabus
from course_utils.experiments import doctor, machine

READY = "This machine is ready for the course.\n"
Usage = namedtuple("Usage", "free")


@pytest.fixture(autouse=True)
def _plain(monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("COLUMNS", "80")


def lines(part: str) -> list[str]:
    return [str(each) for each in doctor.observe() if each.part == part]


def looks(capsys) -> str:
    course_utils.doctor()
    return capsys.readouterr().out


def test_a_machine_that_is_ready_gets_one_sentence_whatever_the_tests_have_set(
    monkeypatch, capsys
):
    for name in ("COURSE_BUDGET_RECORD", "COURSE_EVIDENCE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert looks(capsys) == READY


def test_each_part_gets_a_line_with_what_was_seen(course):
    result = course_says("doctor")
    assert result.exit_code == 0, result.output
    said = result.stdout.splitlines()
    assert all(re.match(r"(✓|ok  ) \S", line) for line in said), said
    text = result.stdout
    assert f"Python: {sys.version.split()[0]}\n" in text
    for name in machine.SHOWN:
        assert f"{name}: {metadata.version(name)}\n" in text
    assert "data: MNIST digits shipped with the course, complete, in " in text
    assert f"temporary files: in {tempfile.gettempdir()}\n" in text
    assert "settings: COURSE_CACHE_DIR=" in text
    assert "notebooks: all that are here can be read\n" in text


@pytest.mark.slow
def test_it_answers_within_seconds_and_loads_no_lightning():
    code = (
        "import sys, time\nfrom course_utils.cli import app\n"
        "try: app(['doctor'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print({'lightning', 'torchvision', 'nbformat'} & set(sys.modules))\n"
        "print(time.process_time())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    *_, loaded, seconds = done.stdout.splitlines()
    assert loaded == "set()", done.stderr
    assert float(seconds) < 5


def test_a_package_outside_its_range_and_one_that_is_missing(monkeypatch, course):
    version = metadata.version

    def other(name: str) -> str:
        if name == "torchmetrics":
            raise metadata.PackageNotFoundError(name)
        old = {"lightning": "2.6.2", "torch": "2.10.0+cu128"}
        return old.get(name) or version(name)

    monkeypatch.setattr(metadata, "version", other)
    [lightning], [metrics] = lines("lightning"), lines("torchmetrics")
    [torch] = lines("torch")
    assert torch.startswith("torch: 2.10.0+cu128, tested with >=2.11. It stays, built")
    assert lightning.startswith("lightning: 2.6.2, tested with ")
    assert 'Run `python -m pip install "lightning' in lightning
    assert metrics.startswith("torchmetrics: not installed. Run `python -m pip ")
    assert course_says("doctor").exit_code == 1


def test_a_python_that_is_too_old_prevents_the_course(monkeypatch):
    monkeypatch.setattr(machine.platform, "python_version", lambda: "3.9.1")
    assert machine.python().blocks
    assert str(machine.python()) == "Python: 3.9.1. Install one that is >=3.10."


def test_too_little_memory_and_disk_are_named(monkeypatch, capsys):
    need = max(lesson.megabytes for lesson in syllabus.load().ready)
    monkeypatch.setattr(machine, "_free_memory", lambda: 900e6)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(5e6))
    first, second = looks(capsys).splitlines()
    assert first == (
        f"Look at memory: 900 MB free, a lesson may need {need:,.0f} MB. Close other "
        "programs."
    )
    assert second.startswith("Look at disk: 5 MB free for ")
    assert second.endswith("Make room, 200 MB at least, or set COURSE_CACHE_DIR.")


def test_free_memory_is_never_more_than_the_system_has():
    assert 0 < machine._free_memory() <= psutil.virtual_memory().total


def test_a_gpu_that_cannot_compute_and_one_that_is_left_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(hardware, "_failure_on_gpu", lambda: "no kernel image")
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    seen = "GPU: The GPU is not used, as a first computation on it failed: no kernel "
    assert str(machine.gpu()) == f"{seen}image. Install a torch that is built for it."
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert str(machine.gpu()) == "GPU: The GPU is not used: COURSE_DEVICE=cpu"


def test_a_gpu_that_works_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    monkeypatch.setattr(hardware, "_failure_on_gpu", lambda: "")
    assert str(machine.gpu()) == "GPU: Tesla T4, works"


def test_a_hidden_gpu_is_no_fault(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.gpu().ok
    assert "hidden by CUDA_VISIBLE_DEVICES" in str(machine.gpu())


@pytest.mark.parametrize(
    ("name", "value", "part", "words"),
    [
        ("COURSE_SEED", "x", "settings", "Expected COURSE_SEED to be a whole number"),
        ("COURSE_DEVICE", "gpu", "settings", "Expected COURSE_DEVICE to be 'cpu' or"),
        ("COURSE_IMAGES", "7", "settings", "Expected COURSE_IMAGES to be 'all' or"),
        ("COURSE_DATA", "minst", "data", "Did you mean 'mnist'?"),
        ("COURSE_DATA_DIR", "/none/x", "settings", "to be an existing folder but got"),
    ],
)
def test_what_would_end_a_lesson_is_exit_status_1(
    course, monkeypatch, name, value, part, words
):
    monkeypatch.setenv(name, value)
    result = course_says("doctor")
    assert result.exit_code == 1
    [line] = [each for each in result.stdout.splitlines() if words in each]
    assert re.match(rf"(✗|stop) {part}: ", line)


def test_a_tmpdir_that_cannot_be_used_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    [line] = lines("temporary files")
    assert line == (
        f"temporary files: in {tempfile.gettempdir()}, since TMPDIR={tmp_path}/none "
        "cannot be written. Unset TMPDIR, or correct it."
    )


def test_no_folder_for_temporary_files_prevents_the_course(monkeypatch):
    def refuse() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    assert doctor.temporary_files().blocks


def test_what_a_user_has_set_is_listed_and_is_no_fault(monkeypatch, tmp_path):
    startup = Path(os.environ["IPYTHONDIR"], "profile_default", "startup", "00-x.py")
    startup.parent.mkdir(parents=True)
    startup.touch()
    rc = tmp_path / "matplotlibrc"
    rc.touch()
    monkeypatch.setenv("MATPLOTLIBRC", str(rc))
    monkeypatch.setenv("RANK", "1")
    assert lines("your own settings") == [
        f"your own settings: {rc}, which the course's figures do not follow; "
        f"{startup}, which your notebooks follow"
    ]
    assert lines("variables that lessons ignore") == [
        "variables that lessons ignore: RANK"
    ]


def test_a_damaged_notebook_is_named(course):
    write("01_tiny", "1").write_text("<<<<<<< HEAD\n")
    result = course_says("doctor")
    assert result.exit_code == 0
    assert (
        "notebooks: one cannot be read. notebooks/01_tiny.ipynb holds a merge conflict "
        "at line 1"
    ) in result.stdout


def test_a_damaged_lesson_of_the_learners_is_copied_again_once_it_is_moved(course):
    assert course_says("update").exit_code == 0
    damaged = course / "my_lessons/notebooks/01_tiny.ipynb"
    damaged.write_text('{"cells":')
    said = " ".join(course_says("doctor").stdout.split())
    remedy = "move it away, and `course lab` makes a fresh copy"
    assert f"{damaged} breaks off in line 1: {remedy}" in said
    damaged.rename("away")
    assert course_says("update").exit_code == 0
    assert "all that are here can be read" in course_says("doctor").stdout


def test_helpers_that_are_used_without_being_installed_ask_for_nothing(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGE", "not-installed")
    assert machine.python().ok
    assert [*machine.packages()] == []
