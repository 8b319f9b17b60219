"""Full disks and damaged files: nothing is lost, and one sentence says what happened.

`no_file_beyond` is a full disk for every user, root included.
"""

import codecs
import os
import sys
from pathlib import Path

import pytest
from fault_scenarios import (
    UNLIMITED,
    big_result,
    command_without_room,
    copied_script,
    digits,
    files,
    lines_while_the_disk_is_full,
    no_room_at_all,
    unpack,
)
from faults import (
    outcome,
    write_notebook,
)
from typer.testing import CliRunner

from course_utils import progress
from course_utils.cli import app
from course_utils.data.cache import embedded_root

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="limits and signals of POSIX"),
]
METHOD = "fork" if sys.platform == "linux" else "fresh"


@pytest.fixture
def disk(tmp_path, monkeypatch) -> Path:
    """The working directory, in which everything is kept that a lesson writes."""
    for name in ("tmp", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_PROGRESS_FILE", "progress.jsonl")
    monkeypatch.setenv("COURSE_EVIDENCE", "evidence.jsonl")
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> str:
    """The checksum of the digits, unpacked where nothing is wrong."""
    folder = str(tmp_path_factory.mktemp("whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE_DIR", folder)
        return digits(embedded_root())


# A full disk


@pytest.mark.parametrize("what", ["progress", "evidence"])
def test_a_full_disk_costs_the_lines_that_it_names_and_no_other(disk, what):
    _, found = outcome(lines_while_the_disk_is_full, what)
    said = found["said"]
    assert found["kept"] == [f"12.{n}" for n in range(30) if not said[n]]
    refused = [sentence for sentence in said if sentence]
    assert 5 < len(refused) <= 20
    [sentence] = set(refused)
    subject = "Your progress" if what == "progress" else "This evidence"
    assert sentence.startswith(f"{subject} was not saved: No space left on device. ")


def test_digits_that_do_not_fit_are_one_sentence_and_half_of_them_is_not_left(
    disk, whole
):
    printed, [said, *left] = outcome(unpack, 1_000_000)
    assert (printed, left) == ([], [])
    assert said.startswith(f"Expected to write to {disk}/cache or {disk}/tmp/")
    assert "File too large" in said
    assert said.endswith("set COURSE_CACHE_DIR to a folder that can be written.")
    assert outcome(unpack, UNLIMITED)[1][0] == whole


def test_with_no_byte_left_on_any_disk_a_lesson_reads_the_digits_that_are_there(
    disk, whole
):
    assert outcome(unpack, 0)[1][0].startswith("Expected to write to ")
    outcome(unpack, UNLIMITED)
    printed, [said, *_] = outcome(unpack, 0)
    assert (printed, said) == ([], whole)


def test_a_result_that_does_not_fit_is_one_sentence_and_the_next_run_works(disk):
    printed, [said, sizes] = outcome(big_result, METHOD)
    assert printed == []
    assert said.startswith("Expected rank ")
    assert said.endswith(
        "but it could not write there: make room on that disk, or set TMPDIR to a "
        "folder with room."
    )
    assert sizes == [2_000_000] * 2
    assert files() == []


def test_a_run_without_any_room_says_what_to_do(disk):
    printed, said = outcome(no_room_at_all, METHOD)
    assert printed == []
    assert said.startswith("Expected to write to the folder for temporary files but ")
    assert said.endswith("or set TMPDIR to a folder with room.")
    assert "\n" not in said
    assert files() == []


def test_a_lesson_that_finds_no_room_at_the_command_line_is_one_sentence(disk):
    write_notebook(disk / "notebooks" / "00_start_here.ipynb", "print(1)")
    printed, status = outcome(command_without_room, "run", "0")
    [line] = [line for line in printed if line.strip()]
    assert status == 1
    assert "0 of 0 claims hold. Lesson 00 could not be run: " in line
    assert line.endswith("make room on that disk, or set TMPDIR to a folder with room.")


def test_half_a_copy_of_the_capstones_script_is_not_taken_for_the_learners_own(disk):
    _, found = outcome(copied_script)
    assert found == [[], True, ["train_digits.py"]]


def test_status_needs_no_room(disk):
    progress.record("prediction", "12.1", True)
    printed, status = outcome(command_without_room, "status")
    assert status == 0
    assert any("You predicted 1 of 1 outcomes right" in line for line in printed)


# Damaged files


def status() -> str:
    result = CliRunner().invoke(app, ["status"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_editor_that_adds_a_byte_order_mark_costs_nothing(disk):
    progress.record("prediction", "12.1", True)
    file = Path("progress.jsonl")
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes().replace(b"\n", b"\r\n"))
    progress.record("prediction", "12.2", False)
    assert "You predicted 1 of 2 outcomes right" in (said := status())
    assert "cannot be read" not in said


@pytest.mark.parametrize(
    ("damage", "lines"),
    [
        (lambda good: good + bytes(512), "1 damaged line"),  # after a power cut
        (lambda good: good + good.decode().encode("utf-16")[2:], "3 damaged lines"),
    ],
    ids=["zeros", "UTF-16"],
)
def test_status_counts_what_can_be_read_and_says_what_cannot(disk, damage, lines):
    progress.record("prediction", "12.1", True)
    progress.record("prediction", "12.2", False)
    file = Path("progress.jsonl")
    file.write_bytes(damage(file.read_bytes()))
    progress.record("prediction", "12.3", True)
    said = status()
    assert "You predicted 2 of 3 outcomes right" in said
    sentence = f"{lines} of progress.jsonl cannot be read; all others"
    assert said.count(sentence) == 1


def test_a_folder_in_place_of_the_progress_is_named(disk):
    Path("progress.jsonl").mkdir()
    said = status()
    assert "The progress in progress.jsonl cannot be read: Is a directory.\n" in said
