import random

import numpy as np
import pytest
from evidence_samples import claim, outcome, run

from course_utils.authoring.evidence.summary import paired_differences, summarize
from course_utils.experiments.claims import Pair


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_smallest_median_and_largest_agree_with_numpy(count):
    effects = [random.Random(count + i).uniform(-5, 5) for i in range(count)]
    [found] = summarize([run(seed, effect) for seed, effect in enumerate(effects)])
    assert found.smallest == np.min(effects)
    assert found.median == pytest.approx(np.median(effects))
    assert found.largest == np.max(effects)


def test_one_broken_seed_of_three_is_counted():
    [found] = summarize([run(0, 1.0), run(1, 0.1), run(2, 1.0)])
    assert (found.held, found.runs, found.holds) == (2, 3, False)


def test_a_run_that_never_made_the_claim_did_not_keep_it():
    [found] = summarize([run(0, 1.0), run(1, 1.0), outcome(seed=2)])
    assert (found.held, found.runs, found.holds) == (2, 3, False)


def test_a_claim_made_twice_in_a_run_counts_once_and_must_hold_twice():
    twice = outcome(claim(0, holds=False), claim(1))
    [found] = summarize([twice, outcome(claim(1), seed=1)])
    assert (found.held, found.runs) == (1, 2)


def test_an_effect_that_is_not_finite_leaves_the_others_to_be_summed():
    broken = outcome(claim(None, holds=False))
    [found] = summarize([broken, outcome(claim(2.0), seed=1)])
    assert (found.smallest, found.median, found.largest) == (2, 2, 2)
    assert not found.holds
    [nothing] = summarize([broken])
    assert (nothing.median, nothing.margin) == (None, None)


def test_claims_keep_their_order_and_a_changing_bound_is_seen():
    first = outcome(claim(1, practice="9.2"), claim(1, practice="9.1"))
    second = outcome(claim(1, practice="9.2", threshold=0.7), seed=1)
    one, two = summarize([first, second])
    assert (one.practice, two.practice) == ("9.2", "9.1")
    assert one.bounds == (("at_least", 0.5), ("at_least", 0.7))
    assert one.margin is None


def test_the_margin_is_that_of_the_worst_run():
    [least] = summarize([run(0, 2.0), run(1, 0.625)])
    assert least.margin == pytest.approx(0.2)  # (.625 - .5) / .625
    most = [outcome(claim(m, kind="at_most", threshold=3.0)) for m in (1.0, 2.0)]
    [found] = summarize(most)
    assert found.margin == pytest.approx(0.5)  # (3 - 2) / 2


def test_a_paired_difference_is_taken_within_a_run():
    # Unpaired, the groups overlap: bad from 1 to 9, good from 1.5 to 9.5.
    runs = [run(seed, 0.5, bad=float(seed)) for seed in range(1, 10)]
    [row] = paired_differences(runs)
    assert (row.practice, row.name, row.runs) == ("1.1", "accuracy", 9)
    assert (row.bad, row.good) == (5.0, 5.5)
    ends = row.difference
    assert (ends.low, ends.median, ends.high) == (0.5, 0.5, 0.5)


def test_runs_with_the_sign_of_the_median_are_counted():
    gains = (1, 2, -1, 0, 3)
    [row] = paired_differences([run(*each) for each in enumerate(gains)])
    assert (row.signs, row.runs) == (3, 5)


def test_a_run_without_a_measurement_leaves_the_others_to_be_paired():
    pair = Pair("1.1", "loss", 2.0, 1.0)
    rows = paired_differences([run(0, 1.0), outcome(seed=1, pairs=[pair])])
    assert [(row.name, row.runs) for row in rows] == [("accuracy", 1), ("loss", 1)]
