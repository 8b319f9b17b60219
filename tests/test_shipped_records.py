import re

import pytest

from course_utils import shipped_records
from course_utils.exercises import api, cells
from course_utils.experiments import confidence

WHERE = "holds a merge conflict at line 2: resolve it, or"
KEEP = "keep a copy of it and restore the file with git."
CONFLICT = '{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}\n'


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Return a function that writes a record, which the package then reads."""
    monkeypatch.setattr(shipped_records, "FOLDER", tmp_path)
    for load in (cells.load, confidence.load):
        load.cache_clear()
    yield lambda name, text: (tmp_path / name).write_text(text, "utf-8")
    for load in (cells.load, confidence.load):
        load.cache_clear()


def test_without_a_file_a_record_is_empty(record):
    assert shipped_records.read("none.json") == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (CONFLICT, f"{WHERE} {KEEP}"),
        ('{\n"a": 1,\n', f"is damaged at line 3: {KEEP}"),
        ("", f"is damaged at line 1: {KEEP}"),
    ],
    ids=["merge conflict", "cut off", "empty"],
)
def test_a_damaged_record_is_one_sentence_with_its_remedy(record, text, found):
    record("some.json", text)
    said = f"src/course_utils/records/some.json {found}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        shipped_records.read("some.json")


@pytest.mark.parametrize(
    "call", [lambda: api.check("12.1", 1), lambda: api.solution("12.1")]
)
def test_a_learner_with_a_damaged_record_of_exercises_gets_one_sentence(
    record, capsys, call
):
    record("exercises.json", CONFLICT)
    call()
    said = f"src/course_utils/records/exercises.json {WHERE} {KEEP}\n"
    assert capsys.readouterr().out == said


def test_a_damaged_table_of_confidence_does_not_stop_a_contrast(record):
    record("confidence.json", CONFLICT)
    said = f"How sure? src/course_utils/records/confidence.json {WHERE} {KEEP}"
    assert confidence.how_sure("12.1") == said
