import json
import math
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import torch

from course_utils.experiments.claims import Claim, claim
from course_utils.experiments.result import Contrast, Side


@pytest.fixture
def evidence(tmp_path, monkeypatch):
    path = tmp_path / "evidence" / "lines.jsonl"
    monkeypatch.setenv("COURSE_EVIDENCE", str(path))
    monkeypatch.setenv("COURSE_SEED", "5")
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
def test_nan_never_holds(kind, bound):
    assert not Claim("12.1", "", math.nan, kind, bound).holds


def test_the_line_shows_no_number_that_varies(capsys):
    for measured in (0.6, 0.7654321, 1):
        claim("12.1", "it does", measured, at_least=0.5)
    assert len(set(capsys.readouterr().out.splitlines())) == 1


@pytest.mark.parametrize(
    ("bounds", "got"),
    [
        ({}, "none of them"),
        ({"at_least": 1, "at_most": 2}, "at_least, at_most"),
        ({"atleast": 1}, "atleast"),
    ],
)
def test_anything_but_one_bound_is_refused(bounds, got):
    expected = f"Expected exactly one of at_least, at_most, equals but got {got}."
    with pytest.raises(ValueError, match=expected):
        claim("12.1", "it does", 1.0, **bounds)


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


def test_the_record_answers_who_doubts(evidence, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "fashion")
    result = Contrast("12.1", Side({"acc": 0.25}), Side({"acc": 0.75}))
    claim("12.1", "größer", result.gain("acc"), at_least=0.5)
    [record] = records(evidence)
    versions = record.pop("versions")
    assert record == {
        "practice": "12.1",
        "text": "größer",
        "measured": 0.5,
        "bad": 0.25,
        "good": 0.75,
        "measurement": "acc",
        "threshold": {"at_least": 0.5},
        "holds": True,
        "seed": 5,
        "data": "fashion",
    }
    assert versions["torch"] == metadata.version("torch")
    assert versions["lightning"] == metadata.version("lightning")
    assert versions["python"] == sys.version.split()[0]


def test_a_number_of_no_contrast_has_no_sides(evidence):
    claim("12.1", "it does", 3, equals=3)
    [record] = records(evidence)
    assert (record["measured"], record["bad"], record["good"]) == (3, None, None)


def test_nan_and_inf_are_null_in_the_record(evidence):
    claim("12.1", "it does", math.nan, at_least=0)
    claim("12.1", "it does", math.inf, at_least=0)
    assert [each["measured"] for each in records(evidence)] == [None, None]
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
