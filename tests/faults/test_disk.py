"""Full disks, damaged files, a clock set back: nothing is lost, one sentence says so.

Each fault is real. `no_file_beyond` is a full disk for root and for everybody else;
where a machine allows it, a file system of 64 kilobytes is one, too.
"""

import codecs
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_scenarios import (
    UNLIMITED,
    big_result,
    command_without_room,
    copied_script,
    die_in_the_middle_of_a_write,
    digits,
    files,
    lines_while_the_disk_is_full,
    no_room_at_all,
    unpack,
)
from faults import (
    HERE,
    IN_A_NAMESPACE,
    command,
    namespaces,
    outcome,
    path_of,
    write_notebook,
)
from typer.testing import CliRunner

from course_utils import progress
from course_utils.authoring.sync import generate, out_of_step
from course_utils.cli import app
from course_utils.data import cache
from course_utils.data.cache import embedded_root
from course_utils.distributed import ProcessError, run_processes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits and signals of POSIX")

SMALL_DISK = [
    *IN_A_NAMESPACE,
    *("sh", "-c", 'mount -t tmpfs -o size=64k none "$0" && cd "$0" && exec "$@"'),
]


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
@pytest.mark.parametrize(
    "kind",
    [
        "limit",
        pytest.param(
            "mount",
            marks=pytest.mark.skipif(
                not namespaces(), reason="no mount allowed; the limit shows the same"
            ),
        ),
    ],
)
def test_a_full_disk_costs_the_lines_that_it_names_and_no_other(disk, what, kind):
    within = [] if kind == "limit" else [*SMALL_DISK, str(disk)]
    _, found = outcome(lines_while_the_disk_is_full, what, kind, within=within)
    said = found["said"]
    assert found["kept"] == [f"12.{n}" for n in range(110) if not said[n]]
    refused = [sentence for sentence in said if sentence]
    assert 5 < len(refused) <= 100
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


@pytest.mark.parametrize("clock", ["goes on", "was set back"])
def test_half_a_file_of_a_killed_kernel_is_never_read_and_goes_in_the_end(
    disk, whole, clock
):
    killed = subprocess.run(
        command(die_in_the_middle_of_a_write),
        env={**os.environ, "PYTHONPATH": path_of(HERE)},
    )
    assert killed.returncode == -signal.SIGXFSZ
    [half] = disk.rglob("*.part")
    assert half.stat().st_size == 1_000_000
    assert digits(embedded_root()) == whole
    assert half.exists(), "its writer could still be alive"
    then = time.time() + (-1 if clock == "goes on" else 1) * 24 * 3600
    os.utime(half, (then, then))
    (half.parent / cache.IDX_FILES[0]).unlink()
    assert digits(embedded_root()) == whole
    assert not half.exists()


METHODS = ["fork", "fresh"] if sys.platform == "linux" else ["fresh"]


@pytest.mark.parametrize("method", METHODS)
def test_a_result_that_does_not_fit_is_one_sentence_and_the_next_run_works(
    disk, method
):
    printed, [said, sizes] = outcome(big_result, method)
    assert printed == []
    assert said.startswith("Expected rank ")
    assert said.endswith(
        "but it could not write there: make room on that disk, or set TMPDIR to a "
        "folder with room."
    )
    assert sizes == [2_000_000] * 2
    assert files() == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("where", "start"),
    [
        ("everywhere", "Expected to write to the folder for temporary files but got "),
        ("in the ranks", "Expected rank "),
    ],
)
def test_a_run_without_any_room_says_what_to_do(disk, method, where, start):
    printed, said = outcome(no_room_at_all, method, where)
    assert printed == []
    assert said.startswith(start)
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
        (lambda good: b"\x80\xff\x00{}" * 99 + b"\n" + good, "1 damaged line"),
        (lambda good: good + bytes(512), "1 damaged line"),  # after a power cut
        (lambda good: good + b'{"event": "predi', "1 damaged line"),
        (lambda good: good + good.decode().encode("utf-16")[2:], "3 damaged lines"),
    ],
    ids=["garbage", "zeros", "torn", "UTF-16"],
)
def test_status_counts_what_can_be_read_and_says_what_cannot(disk, damage, lines):
    progress.record("prediction", "12.1", True)
    progress.record("prediction", "12.2", False)
    file = Path("progress.jsonl")
    file.write_bytes(damage(file.read_bytes()))
    progress.record("prediction", "12.3", True)
    said = status()
    assert "You predicted 2 of 3 outcomes right" in said
    sentence = f"Of your progress, {lines} in progress.jsonl cannot be read; all others"
    assert said.count(sentence) == 1


def test_a_folder_in_place_of_the_progress_is_named(disk):
    Path("progress.jsonl").mkdir()
    said = status()
    assert "Your progress in progress.jsonl cannot be read: Is a directory.\n" in said


@pytest.mark.parametrize("wrong", ["folder for a file", "file for a folder", "loop"])
def test_a_cache_that_is_no_cache_gives_way_to_another_in_one_line(
    disk, whole, wrong, capsys
):
    place = Path("cache", "embedded", "MNIST", "raw")
    if wrong == "folder for a file":
        (place / cache.IDX_FILES[2] / "full").mkdir(parents=True)
    elif wrong == "file for a folder":
        place.parent.mkdir(parents=True)
        place.write_text("no folder")
    else:
        place.parent.mkdir(parents=True)
        place.symlink_to(place.name)
    printed, [said, *_] = outcome(unpack, UNLIMITED)
    assert said == whole
    [line] = printed
    assert line.startswith(f"The cache folder {disk}/cache cannot be written, so data ")
    assert not list(disk.rglob("*.part"))


# A clock that was set back


def test_no_order_of_times_decides_what_is_new(disk, whole):
    script = Path("notebooks", "01_tiny.py")
    script.parent.mkdir()
    script.write_text("# %%\nvalue = 1\n")
    notebook = generate(script.absolute())
    notebook.cells[0].execution_count = 1
    import nbformat

    nbformat.write(notebook, script.with_suffix(".ipynb"))
    labels = embedded_root() / "MNIST" / "raw" / cache.IDX_FILES[1]
    for then in (0, time.time() + 10**8):
        os.utime(script, (then, then))
        assert out_of_step(script) == ""
        labels.write_bytes(bytes(labels.stat().st_size))
        os.utime(labels, (then, then))
        assert digits(embedded_root()) == whole
    script.write_text("# %%\nvalue = 2\n")
    os.utime(script, (0, 0))
    assert out_of_step(script) == "cell 1 holds other text than the script"


@pytest.mark.skipif(sys.platform != "linux", reason="the ranks share the patched clock")
def test_the_rank_that_failed_first_is_named_although_the_clock_was_set_back():
    def work() -> None:
        if os.environ["RANK"] == "1":
            time.sleep(0.15)
            # Nobody may set this machine's clock back, so one process's is.
            now = time.time
            time.time = lambda: now() - 3600
            raise ValueError("the consequence")
        raise ValueError("the cause")

    with pytest.raises(ProcessError, match="^Rank 0 raised ValueError: the cause"):
        run_processes(work, method="fork")
