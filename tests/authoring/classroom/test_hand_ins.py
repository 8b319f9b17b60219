import json

import pytest

from course_utils import progress
from course_utils.authoring.classroom import hand_ins
from course_utils.authoring.classroom.hand_ins import PracticeSummary

FIELDS = ("event", "practice", "outcome")
WRONG = ("exercise", "3.3", "incorrect")
RIGHT = ("exercise", "3.3", "correct")
GUESSED = ("prediction", "3.3", False)
KNEW = ("prediction", "3.3", True)
LONG = [KNEW, *[WRONG] * hand_ins.SURELY_THE_SAME]


@pytest.fixture
def hand_in(tmp_path):
    def write(name, *events):
        fields = [dict(zip(FIELDS, each, strict=True)) for each in events]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in fields))
        return path

    return write


def test_a_class_by_hand(hand_in):
    files = [
        hand_in("a", KNEW, RIGHT, WRONG),
        hand_in("b", GUESSED, KNEW, WRONG, WRONG, RIGHT),
        hand_in("c", WRONG, WRONG),
        hand_in("d", ("prediction", "12.1", True)),
    ]
    learners, faults = hand_ins.read(files)
    assert list(hand_ins.summary(learners)) == [
        # tries: 1, 3 and 2; what comes after a correct answer does not count
        PracticeSummary("3.3", 2, right=1, tried=3, solved=2, tries=2.0),
        PracticeSummary("12.1", 1, right=1, tried=0, solved=0, tries=0.0),
    ]
    assert faults == []


def test_what_a_lesson_records_is_what_a_class_adds_up(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(tmp_path / "progress.jsonl"))
    for event in (GUESSED, WRONG, RIGHT, ("repair", "1.2", True)):
        progress.record(*event)
    learners, faults = hand_ins.read([tmp_path])
    assert faults == []
    assert list(hand_ins.summary(learners)) == [PracticeSummary("3.3", 1, 0, 1, 1, 2.0)]
    assert hand_ins.repaired(learners) == [1]


def test_a_damaged_line_is_named_and_the_others_count(hand_in):
    path = hand_in("a", KNEW)
    path.write_text(path.read_text() + "rubbish\n")
    learners, faults = hand_ins.read([path])
    assert len(learners) == 1
    assert faults == [f"1 damaged line of {path} cannot be read; all others count."]


def test_foreign_empty_and_missing_files_are_named_and_left_out(hand_in, tmp_path):
    foreign = hand_in("foreign", ("prediction", "99.1", True), (1, [3.3], {}))
    empty, missing = hand_in("empty"), tmp_path / "missing.jsonl"
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(bytes(range(256)))
    good = hand_in("good", KNEW)
    learners, faults = hand_ins.read([foreign, empty, binary, missing, good])
    assert len(learners) == 1
    left_out = "holds no progress in this course; it is left out."
    assert faults == [
        *(f"{path} {left_out}" for path in (foreign, empty, binary)),
        f"{missing} does not exist.",
    ]


def test_a_file_named_twice_counts_once(hand_in, tmp_path):
    around = tmp_path / ".." / tmp_path.name
    learners, faults = hand_ins.read([hand_in("a", KNEW), around])
    assert (len(learners), faults) == (1, [])


def test_equal_files_are_one_learner_only_if_they_are_long(hand_in):
    short = [hand_in("a", KNEW), hand_in("b", KNEW)]
    long = [hand_in("c", *LONG), hand_in("d", *LONG)]
    learners, faults = hand_ins.read([*short, *long])
    assert len(learners) == 3
    assert faults == [f"{long[1]} and {long[0]} are equal; they count as one learner."]
