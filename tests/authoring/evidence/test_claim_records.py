import json

import pytest

from course_utils.authoring.evidence.claim_records import Findings, Pair, Record, read
from course_utils.experiments import claims, recorder
from course_utils.experiments.contrast import contrast
from course_utils.experiments.result import Effect


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "claims.jsonl"
    monkeypatch.setenv("COURSE_EVIDENCE", str(path))
    monkeypatch.setenv("COURSE_SEED", "7")
    return path


def test_what_a_claim_writes_is_what_is_read(file):
    claims.claim("12.1", "gain is λarge", Effect(0.5, "f1", 0.2, 0.7), at_least=0.6)
    claims.claim("12.1", "equal", 3, equals=3)
    claims.claim("12.1", "unknown", float("nan"), at_most=1)
    assert read(file).claims == (
        Record("12.1", "gain is λarge", 0.5, 0.2, 0.7, "at_least", 0.6, False, 7, "f1"),
        Record("12.1", "equal", 3, None, None, "equals", 3, True, 7),
        Record("12.1", "unknown", None, None, None, "at_most", 1, False, 7),
    )


def test_a_contrast_writes_the_numbers_that_both_versions_measured(file, capsys):
    bad = {"loss": 2.5, "steps": 8, "ok": False, "word": "a", "curve": [1, 2], "x": 1.0}
    good = {"loss": 0.5, "steps": 8, "ok": True, "word": "b", "curve": [1, 2]}
    contrast("12.1", bad=lambda: bad, good=lambda: good)
    found = read(file)
    assert found.claims == ()
    assert found.pairs == (
        Pair("12.1", "loss", 2.5, 0.5),
        Pair("12.1", "steps", 8.0, 8.0),
    )


def test_a_version_that_stopped_leaves_no_pair(file, capsys):
    def stops():
        raise RuntimeError("no")

    contrast("12.1", bad=stops, good=lambda: {"loss": 0.5})
    assert read(file) == Findings()


def test_without_a_file_nothing_is_even_made(monkeypatch):
    monkeypatch.delenv("COURSE_EVIDENCE", raising=False)
    recorder.keep(lambda: pytest.fail("a record was made"))


def test_no_file_means_no_claim(tmp_path):
    assert read(tmp_path / "none.jsonl") == Findings()


LINES = [
    '{"practice": "1',
    "[]",
    "3",
    '{"practice": "1.1"}',
    '{"contrast": "1.1", "measured": {"loss": [1]}}',
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_no_record_is_named_and_not_dropped(tmp_path, line):
    path = tmp_path / "claims.jsonl"
    path.write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match=r"line 2 of .*claims.jsonl .* record of a"):
        read(path)


def test_a_record_of_json_with_a_text_for_a_verdict_does_not_hold(tmp_path):
    entry = {"practice": "1.1", "text": "t", "measured": 1, "bad": None, "good": None}
    entry |= {"threshold": {"equals": 1}, "holds": "false", "seed": 0}
    path = tmp_path / "claims.jsonl"
    path.write_text(json.dumps(entry), "utf-8")
    assert not read(path).claims[0].holds
