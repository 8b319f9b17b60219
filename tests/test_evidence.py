import json
import random

import numpy as np
import pytest

from course_utils import claims, evidence
from course_utils.evidence import Record, read, summarize
from course_utils.outcome import Effect


def _record(measured, *, seed=0, holds=True, practice="1.1", text="large", bound=0.5):
    return Record(practice, text, measured, 0, 1, "at_least", bound, holds, seed)


def test_what_a_claim_writes_is_what_is_read(tmp_path, monkeypatch):
    file = tmp_path / "claims.jsonl"
    monkeypatch.setenv("COURSE_EVIDENCE", str(file))
    monkeypatch.setenv("COURSE_SEED", "7")
    claims.claim("12.1", "gain is λarge", Effect(0.5, "f1", 0.2, 0.7), at_least=0.6)
    claims.claim("12.1", "equal", 3, equals=3)
    claims.claim("12.1", "unknown", float("nan"), at_most=1)
    assert read(file) == (
        Record("12.1", "gain is λarge", 0.5, 0.2, 0.7, "at_least", 0.6, False, 7),
        Record("12.1", "equal", 3, None, None, "equals", 3, True, 7),
        Record("12.1", "unknown", None, None, None, "at_most", 1, False, 7),
    )


def test_no_file_means_no_claim(tmp_path):
    assert read(tmp_path / "none.jsonl") == ()


@pytest.mark.parametrize("line", ['{"practice": "1', "[]", "3", '{"practice": "1.1"}'])
def test_a_line_that_is_no_record_is_named_and_not_dropped(tmp_path, line):
    file = tmp_path / "claims.jsonl"
    file.write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match=r"line 2 of .*claims.jsonl .* record of a"):
        read(file)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_smallest_median_and_largest_agree_with_numpy(count):
    effects = [random.Random(count + i).uniform(-5, 5) for i in range(count)]
    records = [_record(effect, seed=seed) for seed, effect in enumerate(effects)]
    [found] = summarize(records, count)
    assert found.smallest == np.min(effects)
    assert found.median == pytest.approx(np.median(effects))
    assert found.largest == np.max(effects)


def test_one_broken_seed_of_three_is_counted():
    records = [_record(1, seed=seed, holds=seed != 1) for seed in range(3)]
    [found] = summarize(records, 3)
    assert (found.held, found.runs, found.holds) == (2, 3, False)


def test_a_run_that_never_made_the_claim_did_not_keep_it():
    [found] = summarize([_record(1, seed=0), _record(1, seed=1)], 3)
    assert (found.held, found.holds) == (2, False)


def test_a_claim_made_twice_in_a_run_counts_once_and_must_hold_twice():
    twice = [_record(0, seed=0, holds=False), _record(1, seed=0), _record(1, seed=1)]
    [found] = summarize(twice, 2)
    assert (found.held, found.runs) == (1, 2)


def test_an_effect_that_is_not_finite_leaves_the_others_to_be_summed():
    records = [_record(None, seed=0, holds=False), _record(2.0, seed=1)]
    [found] = summarize(records, 2)
    assert (found.smallest, found.median, found.largest) == (2, 2, 2)
    assert not found.holds
    [nothing] = summarize([_record(None)], 1)
    assert nothing.median is None


def test_claims_keep_their_order_and_a_changing_bound_is_seen():
    records = [
        _record(1, practice="9.2"),
        _record(1, practice="9.1"),
        _record(1, practice="9.2", bound=0.7, seed=1),
    ]
    first, second = summarize(records, 2)
    assert (first.practice, second.practice) == ("9.2", "9.1")
    assert first.bounds == (("at_least", 0.5), ("at_least", 0.7))


def test_a_record_of_json_with_a_text_for_a_verdict_does_not_hold(tmp_path):
    entry = {"practice": "1.1", "text": "t", "measured": 1, "bad": None, "good": None}
    entry |= {"threshold": {"equals": 1}, "holds": "false", "seed": 0}
    file = tmp_path / "claims.jsonl"
    file.write_text(json.dumps(entry), "utf-8")
    assert not evidence.read(file)[0].holds
