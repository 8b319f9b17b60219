import json
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import progress


@pytest.fixture
def events(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "new folder" / "progress.jsonl"
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(path))
    return path


def test_before_the_first_event_there_is_no_progress(events):
    assert progress.load() == progress.Progress({}, {})
    assert not events.exists()


def test_a_repair_counts_once_and_stays(events):
    progress.record("repair", "4.4", True)
    progress.record("repair", "4.4", True)
    progress.record("repair", "12.5", False)
    assert progress.load() == progress.Progress({}, {}, {"4.4"})


def test_only_the_first_prediction_counts(events):
    progress.record("prediction", "12.1", False)
    progress.record("prediction", "12.1", True)
    progress.record("prediction", "12.2", True)
    progress.record("prediction", "12.2", False)
    assert progress.load().predictions == {"12.1": False, "12.2": True}


@pytest.mark.parametrize(
    ("outcomes", "best"),
    [
        (["incorrect", "correct"], "correct"),
        (["correct", "incorrect"], "correct"),
        (["incorrect", "cannot be checked"], "incorrect"),
        (["cannot be checked", "incorrect"], "incorrect"),
        (["not attempted", "cannot be checked"], "cannot be checked"),
        (["incorrect", "praised"], "incorrect"),
    ],
)
def test_the_best_outcome_of_an_exercise_stays(events, outcomes, best):
    for outcome in outcomes:
        progress.record("exercise", "12.1", outcome)
    found = progress.load()
    assert found.exercises == {"12.1": best}
    assert found.solved("12.1") is (best == "correct")
    assert not found.solved("12.2")


def test_an_event_is_one_line_of_json(events):
    progress.record("exercise", "12.1", "correct")
    [line] = events.read_text("utf-8").splitlines()
    assert json.loads(line) == {
        "event": "exercise",
        "practice": "12.1",
        "outcome": "correct",
    }


def test_of_a_file_with_a_torn_last_line_only_that_line_is_lost(events):
    progress.record("prediction", "12.1", True)
    events.write_bytes(events.read_bytes() + b'{"event": "prediction", "prac')
    progress.record("prediction", "12.2", True)
    assert progress.load().predictions == {"12.1": True, "12.2": True}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe\x00\x80",
        b"[" * 100_000,
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"event": [], "practice": {}, "outcome": []}',
        b'{"event": "exercise", "practice": "12.3", "outcome": {}}',
        b"\r\n\r\n",
    ],
)
def test_of_a_damaged_file_only_the_damaged_line_is_lost(events, garbage):
    progress.record("prediction", "12.1", True)
    with events.open("ab") as file:
        file.write(garbage + b"\n")
    progress.record("exercise", "12.2", "correct")
    found = progress.load()
    assert found == progress.Progress({"12.1": True}, {"12.2": "correct"})


def test_the_marks_of_a_merge_conflict_are_named_and_both_sides_count(events):
    progress.record("prediction", "12.1", True)
    mine = events.read_text("utf-8")
    theirs = mine.replace("12.1", "12.2")
    events.write_text(f"<<<<<<< HEAD\n{mine}=======\n{theirs}>>>>>>> b\n", "utf-8")
    found = progress.load()
    assert found.predictions == {"12.1": True, "12.2": True}
    assert found.problem == (
        f"The progress in {events} holds a merge conflict at line 1: "
        "delete git's marks; the events between them count."
    )


def test_a_prediction_is_right_only_if_the_file_says_true(events):
    events.parent.mkdir()
    line = '{"event": "prediction", "practice": "12.1", "outcome": "no"}\n'
    events.write_text(line, "utf-8")
    assert progress.load().predictions == {"12.1": False}


@pytest.mark.parametrize("place", ["a folder", "below a file"])
def test_a_file_that_cannot_be_written_is_one_sentence(
    tmp_path, monkeypatch, capsys, place
):
    (tmp_path / "file").touch()
    path = tmp_path if place == "a folder" else tmp_path / "file" / "p.jsonl"
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(path))
    progress.record("prediction", "12.1", True)
    [sentence] = capsys.readouterr().out.splitlines()
    assert sentence.startswith("Your progress was not saved: ")
    assert sentence.endswith("set COURSE_PROGRESS_FILE to a file you may write.")
    assert progress.load() == progress.Progress({}, {})


def test_a_read_only_folder_is_one_sentence(tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):  # simulated, because root may write anywhere
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(tmp_path / "p.jsonl"))
    monkeypatch.setattr(Path, "open", refuse)
    progress.record("prediction", "12.1", True)
    assert "was not saved: Permission denied." in capsys.readouterr().out


def test_an_empty_name_records_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_PROGRESS_FILE", "")
    progress.record("prediction", "12.1", True)
    assert progress.file() is None
    assert progress.load() == progress.Progress({}, {})
    assert list(tmp_path.iterdir()) == []


def test_by_default_it_lies_in_the_users_data_folder(monkeypatch):
    monkeypatch.delenv("COURSE_PROGRESS_FILE", raising=False)
    found = progress.file()
    assert found is not None
    assert found.name == "progress.jsonl"
    assert found.parent.name == "lightning-course"
    assert found.is_absolute()


def test_two_processes_that_write_at_once_lose_nothing(events):
    code = (
        "import sys\nfrom course_utils import progress\n"
        "for i in range(300):\n"
        "    progress.record('exercise', f'{sys.argv[1]}.{i}' + 'x' * 500, 'correct')\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, n]) for n in "12"]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    expected = {f"{n}.{i}" + "x" * 500 for n in "12" for i in range(300)}
    assert progress.load().exercises.keys() == expected


def test_progress_needs_no_torch():
    code = "import sys, course_utils.progress; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
