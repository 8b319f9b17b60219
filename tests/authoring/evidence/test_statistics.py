import math
import random

import pytest

from course_utils.authoring.evidence.statistics import (
    Interval,
    margin,
    median_interval,
    thin,
)


def test_the_interval_of_six_values_is_their_range():
    # 1 - 2 / 2**6 = .969; without the ends 1 - 14 / 64 = .781 is too little.
    found = median_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    assert (found.low, found.median, found.high) == (1.0, 3.5, 6.0)


def test_thirty_values_leave_out_nine_at_each_end():
    # Table A3 of Conover: the 10th and the 21st of 30 enclose the median with .957.
    found = median_interval([float(i) for i in range(1, 31)])
    assert (found.low, found.high) == (10.0, 21.0)


def test_the_ends_of_too_few_values_are_the_smallest_and_the_largest():
    assert median_interval([2.0, 1.0, 3.0]) == Interval(1, 2, 3)
    assert median_interval([4.0]) == Interval(4, 4, 4)


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="at least one value but got none"):
        median_interval([])


@pytest.mark.parametrize("draw", [random.gauss, random.uniform, random.gammavariate])
def test_the_interval_covers_the_median_as_often_as_it_says(draw):
    random.seed(0)
    low, high = {random.uniform: (-1, 1)}.get(draw, (1, 2))
    truth = sorted(draw(low, high) for _ in range(20_001))[10_000]
    hits = 0
    for _ in range(2_000):
        found = median_interval([draw(low, high) for _ in range(11)])
        hits += found.low <= truth <= found.high
    # Binomial: .9883 is promised for 11 values; four standard errors are .0096.
    assert abs(hits / 2_000 - 0.9883) < 0.0096


def _coverage(count, left_out):
    """How likely are more than ``left_out`` values on each side of the median?"""
    below = sum(math.comb(count, tails) for tails in range(left_out + 1))
    return 1 - 2 * below / 2**count


@pytest.mark.parametrize("count", range(6, 40))
def test_the_interval_is_the_narrowest_that_covers_with_95_percent(count):
    found = median_interval(range(count))
    left_out = found.low  # so many values below it, and as many above the upper end
    assert found.high == count - 1 - left_out
    assert _coverage(count, left_out) >= 0.95 > _coverage(count, left_out + 1)


@pytest.mark.parametrize(
    ("worst", "kind", "threshold", "share"),
    [
        (10.0, "at_least", 8.0, 0.2),
        (10.0, "at_least", 8.1, 0.19),
        (10.0, "at_most", 12.0, 0.2),
        (-10.0, "at_most", -8.0, 0.2),
        (10.0, "at_least", -5.0, 1.5),
        (10.0, "at_least", 11.0, -0.1),
        (10.0, "at_most", 9.0, -0.1),
        (7.0, "at_least", 7.0, 0.0),
        (0.0, "at_most", 0.0, 0.0),
    ],
)
def test_margins_by_hand(worst, kind, threshold, share):
    assert margin(worst, kind, threshold) == pytest.approx(share)


def test_there_is_no_margin_where_there_is_no_room_or_no_scale():
    assert margin(3.0, "equals", 3.0) is None
    assert margin(0.0, "at_most", 0.5) is None


def test_less_than_a_fifth_is_thin():
    assert [thin(each) for each in (None, -0.1, 0.0, 0.199, 0.2, 3.0)] == [
        *(False, True, True, True, False, False)
    ]
