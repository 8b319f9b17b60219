import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from course_utils.experiments.claims import Claim, Pair, claim
from course_utils.experiments.result import Contrast, Measured, VersionResult


@pytest.fixture
def evidence(tmp_path, monkeypatch):
    path = tmp_path / "evidence" / "lines.jsonl"
    monkeypatch.setenv("COURSE_EVIDENCE", str(path))
    return path


@pytest.fixture(autouse=True)
def _no_evidence(monkeypatch):
    monkeypatch.delenv("COURSE_EVIDENCE", raising=False)


def records(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("kind", "measured", "holds"),
    [
        ("at_least", 0.5, True),
        ("at_least", 0.51, True),
        ("at_least", 0.49, False),
        ("at_most", 0.5, True),
        ("at_most", 0.49, True),
        ("at_most", 0.51, False),
        ("equals", 0.5, True),
        ("equals", 0.49, False),
        ("equals", 0.51, False),
    ],
)
def test_a_bound_includes_its_own_value(capsys, kind, measured, holds):
    claim("12.1", "it does", measured, **{kind: 0.5})
    assert capsys.readouterr().out == f"{'✓' if holds else '✗'} 12.1 it does\n"


@pytest.mark.parametrize("kind", ["at_least", "at_most", "equals"])
@pytest.mark.parametrize("bound", [0.0, math.nan, math.inf, -math.inf])
def test_nan_never_holds(capsys, kind, bound):
    claim("12.1", "it does", math.nan, **{kind: bound})
    assert capsys.readouterr().out == "✗ 12.1 it does\n"


def test_the_line_shows_no_number_that_varies(capsys):
    for measured in (0.6, 0.7654321, 1):
        claim("12.1", "it does", measured, at_least=0.5)
    assert len(set(capsys.readouterr().out.splitlines())) == 1


@pytest.mark.parametrize(
    ("measured", "bounds", "got"),
    [
        (1.0, {}, "neither"),
        (1.0, {"at_least": 1, "at_most": 2}, "at_least, at_most"),
        (Measured(1.0) >= 0, {"at_most": 2}, "a comparison, at_most"),
    ],
)
def test_anything_but_one_bound_is_refused(measured, bounds, got):
    expected = f"one bound such as at_least=0.5 but got {got}."
    with pytest.raises(ValueError, match=expected):
        claim("12.1", "it does", measured, **bounds)


def test_an_unknown_bound_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="Expected one of at_least, .* got atleast."):
        claim("12.1", "it does", 1.0, atleast=1)


@pytest.mark.parametrize(
    ("comparison", "kind", "holds"),
    [
        (Measured(0.5) >= 0.5, "at_least", True),
        (Measured(0.5) <= 0.4, "at_most", False),
        (Measured(0.5) > 0.5, "above", False),
        (Measured(0.5) < 0.6, "below", True),
        (Measured(2.0) == 2, "equals", True),
        (Measured(float("nan")) <= 1, "at_most", False),
        (3 - Measured(2.0) == 1, "equals", True),
        (1 / Measured(0.0) >= 0, "at_least", False),
    ],
)
def test_a_comparison_is_a_claim(evidence, capsys, comparison, kind, holds):
    claim("12.1", "it does", comparison)
    [record] = records(evidence)
    assert (record["kind"], record["holds"]) == (kind, holds)
    assert capsys.readouterr().out.startswith("✓" if holds else "✗")


def test_the_comparison_carries_measurement_and_bound(evidence):
    claim("12.1", "it does", VersionResult({"updates": 8})["updates"] == 8)
    [record] = records(evidence)
    assert (record["measured"], record["threshold"]) == (8, 8)
    assert record["measurement"] == "updates"


def test_a_fact_that_an_error_left_unmeasured_does_not_hold(capsys):
    claim("12.1", "it does", VersionResult(error="ValueError: no")["same"])
    assert capsys.readouterr().out == "✗ 12.1 it does\n"


@pytest.mark.parametrize("fact", [True, False])
def test_what_is_true_or_false_needs_no_bound(evidence, fact):
    claim("12.1", "it does", fact)
    [record] = records(evidence)
    assert (record["kind"], record["holds"]) == ("equals", fact)


@pytest.mark.parametrize("measured", [None, "0.9", [0.9]])
def test_what_is_no_number_is_refused_with_what_to_pass(measured):
    kind = type(measured).__name__
    with pytest.raises(TypeError, match=f"to be a number but got {kind}; pass result"):
        claim("12.1", "it does", measured, at_least=0.5)


@pytest.mark.parametrize(
    "measured", [np.float32(0.75), torch.tensor(0.75), 0.75, np.float64(0.75)]
)
def test_scalars_of_any_library_are_recorded_alike(evidence, measured):
    claim("12.1", "it does", measured, at_least=0.5)
    [record] = records(evidence)
    assert record["measured"] == 0.75
    assert record["holds"] is True


def test_a_claim_about_a_contrast_records_both_sides(evidence):
    bad, good = VersionResult({"acc": 0.25}), VersionResult({"acc": 0.75})
    result = Contrast("12.1", bad, good)
    claim("12.1", "größer", result.gain("acc"), at_least=0.5)
    assert records(evidence) == [
        {
            "practice": "12.1",
            "text": "größer",
            "kind": "at_least",
            "threshold": 0.5,
            "holds": True,
            "measured": 0.5,
            "bad": 0.25,
            "good": 0.75,
            "measurement": "acc",
        }
    ]


def test_what_was_recorded_is_what_is_read(evidence):
    claim("12.1", "gain is λarge", Measured(0.5, "f1", 0.2, 0.7), at_least=0.6)
    claim("12.1", "equal", 3, equals=3)
    claim("12.1", "unknown", math.nan, at_most=1)
    assert list(map(Claim.from_json, records(evidence))) == [
        Claim("12.1", "gain is λarge", "at_least", 0.6, False, 0.5, 0.2, 0.7, "f1"),
        Claim("12.1", "equal", "equals", 3, True, 3),
        Claim("12.1", "unknown", "at_most", 1, False),
    ]


def test_six_digits_are_kept_and_the_verdict_is_the_unrounded_one(evidence):
    claim("12.1", "it does", 0.49999999, at_least=0.5)
    [found] = map(Claim.from_json, records(evidence))
    assert found.measured == 0.5
    assert not found.holds
    pair = Pair("12.1", "loss", 1 / 3, 12345678.0)
    assert Pair.from_json(vars(pair)) == Pair("12.1", "loss", 0.333333, 12345678)


def test_a_text_for_a_verdict_does_not_hold():
    entry = Claim("1.1", "t", "equals", 1, True, 1).to_json()
    assert not Claim.from_json({**entry, "holds": "false"}).holds


def test_nan_and_inf_are_not_recorded(evidence):
    claim("12.1", "it does", math.nan, at_least=0)
    claim("12.1", "it does", math.inf, at_least=0)
    assert not any("measured" in each for each in records(evidence))
    assert [each["holds"] for each in records(evidence)] == [False, True]


def test_a_later_claim_is_a_later_line(evidence):
    for i in range(3):
        claim("12.1", f"claim {i}", i, equals=i)
    assert [each["text"] for each in records(evidence)] == [
        "claim 0",
        "claim 1",
        "claim 2",
    ]


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_EVIDENCE", "")
    claim("12.1", "it does", 1, equals=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["a folder", "below a file"])
def test_evidence_that_cannot_be_written_costs_one_sentence(
    tmp_path, monkeypatch, capsys, place
):
    (tmp_path / "file").touch()
    path = tmp_path if place == "a folder" else tmp_path / "file" / "lines.jsonl"
    monkeypatch.setenv("COURSE_EVIDENCE", str(path))
    claim("12.1", "it does", 1, equals=1)
    verdict, sentence = capsys.readouterr().out.splitlines()
    assert verdict == "✓ 12.1 it does"
    assert sentence.startswith("This evidence was not saved: ")
    assert "set COURSE_EVIDENCE to a file you may write" in sentence


def test_two_processes_that_write_at_once_lose_nothing(evidence):
    code = (
        "import sys\nfrom course_utils.experiments.claims import claim\n"
        "for i in range(100):\n"
        "    claim('12.1', sys.argv[1] * 3000, i, at_least=0)\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, letter],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        for letter in "ab"
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    found = [(each["text"], each["measured"]) for each in records(evidence)]
    assert sorted(found) == [(x * 3000, i) for x in "ab" for i in range(100)]


def test_a_long_claim_breaks_between_words(capsys):
    claim("12.1", "a word " * 20 + "ends it", 1, equals=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 92
    assert lines[1].startswith("  ")
    assert " ".join(map(str.strip, lines)) == "✓ 12.1 " + "a word " * 20 + "ends it"
