import json

import pytest
from command_line import course_says, sentence


@pytest.fixture
def handed_in(course):
    folder = course / "handed_in"
    folder.mkdir()
    tries = [("exercise", "1.2", "incorrect")] * 2 + [("exercise", "1.2", "correct")]
    events = [("prediction", "1.1", True), *tries, ("repair", "1.1", True)]
    events.append(("exercise", "15", "incorrect"))
    names = ("event", "practice", "outcome")
    lines = [json.dumps(dict(zip(names, each, strict=True))) for each in events]
    (folder / "one.jsonl").write_text("\n".join(lines))
    (folder / "two.jsonl").write_text(lines[0])
    return folder


def test_a_class_is_added_up(handed_in):
    said = course_says("class", "summary", str(handed_in))
    assert said.exit_code == 0
    assert said.stderr == ""
    rows = [" ".join(line.split()) for line in said.stdout.splitlines()]
    assert "1.1 P 2 of 2 - -" in rows
    assert "1.2 P - 1 of 1 3.0" in rows
    assert "Most answers checked, per learner: 1.2 (3.0)." in rows
    assert "Capstone begun by 1; the one in the middle repaired 1." in rows
    assert "Script of lesson 15 mended by 0 of 1." in rows
    assert rows[-4].startswith("2 learners.")


def test_what_cannot_be_read_is_said_and_the_others_count(handed_in):
    (handed_in / "notes.jsonl").write_text("remember the milk")
    said = course_says("class", "summary", str(handed_in))
    assert said.exit_code == 0
    assert "notes.jsonl holds no progress in this course" in said.stderr
    assert "2 learners." in said.stdout


def test_an_empty_folder_is_one_sentence(course):
    said = course_says("class", "summary", str(course))
    assert "at least one progress file but got none" in sentence(said, 1)


def test_status_says_which_file_to_hand_in(course, monkeypatch):
    assert f"Kept in {course / 'progress.jsonl'};" in course_says("status").stdout
    monkeypatch.setenv("COURSE_PROGRESS_FILE", "")
    assert "Kept in" not in course_says("status").stdout
