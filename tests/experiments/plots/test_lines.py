"""Curves: what they draw, say and list."""

import math

import pytest
from matplotlib.colors import to_hex

from course_utils.experiments.plots import Lines, Sweep

LOSS = Lines("Falls", "loss", x="batch", y="loss (nats)")
FALLING = tuple(2.5 / step for step in range(1, 26))
BOTH = {"bad": {"loss": (2.5, 2.4, 2.6)}, "good": {"loss": FALLING}}
STOPPED = {"bad": {}, "good": {"loss": FALLING}}

GROWING = (0.0, 2e-8, 3e-7, 1e-6)
APART = {"bad": {"distance": GROWING}, "good": {"distance": (0.0,) * 4}}


def distance(**options):
    return Lines("They part", "distance", x="step", y="distance", first=0, **options)


COST = Lines("t", "cost", at="size", x="images", y="MB", reference="even")
COSTS = {
    "bad": {"size": (1.0, 4.0, 16.0), "cost": (1.0, 4.0, 16.0)},
    "good": {"size": (1.0, 4.0, 16.0), "cost": (3.0, 9.0, 8.0), "even": 5.0},
}

PICKED = Lines("Last", "val", x="epoch", y="accuracy", point=("epoch", "test"))
CURVE = (0.5, 0.9, 0.7)
PICKS = {
    "bad": {"val": CURVE, "epoch": 3.0, "test": 0.65},
    "good": {"val": CURVE, "epoch": 2.0, "test": 0.85},
}

LEAK = Lines(
    "Up", "ends", "seen (%)", "acc", at=(0, 100), point=("share", "said"), truth="true"
)
LEAKS = {
    "bad": {"share": 80.0, "said": 0.98, "true": 0.9, "ends": (0.9, 1.0)},
    "good": {"share": 0.0, "said": 0.91, "true": 0.89, "ends": (0.91, 1.0)},
}

SWEEP = Sweep("Nothing was swept", "asked", "used", "score", "learning rate")
RATES = {
    "bad": {"asked": (1e-3, 1e-1), "used": (1e-2, 1e-2), "score": (0.8, 0.8)},
    "good": {"asked": (1e-3, 1e-1), "used": (1e-3, 1e-1), "score": (0.3, 0.9)},
}


def xy(line):
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_curves_tell_versions_apart_by_colour_marker_and_line(drawn, legend):
    bad, good = drawn(LOSS, BOTH).axes[0].lines
    assert [to_hex(line.get_color()) for line in (bad, good)] == ["#c25500", "#0072b2"]
    assert (bad.get_marker(), good.get_marker()) == ("x", "o")
    assert (bad.get_linestyle(), good.get_linestyle()) == ("--", "-")
    assert legend(LOSS, BOTH) == ["bad", "good"]


def test_where_curves_coincide_the_dashed_one_lies_on_the_wider_one(drawn):
    bad, good = drawn(LOSS, BOTH).axes[0].lines
    assert bad.get_zorder() > good.get_zorder()
    assert bad.get_linewidth() < good.get_linewidth()


def test_curves_hold_the_data_from_step_one_also_at_different_lengths(drawn):
    bad, good = drawn(LOSS, BOTH).axes[0].lines
    assert xy(bad) == [(1, 2.5), (2, 2.4), (3, 2.6)]
    assert xy(good) == list(enumerate(FALLING, 1))


def test_curves_name_their_axes_and_count_in_whole_steps(drawn):
    axes = drawn(LOSS, {"bad": BOTH["bad"], "good": BOTH["bad"]}).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("batch", "loss (nats)")
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


@pytest.mark.parametrize("log", [{}, {"log": True}, {"log_x": True}])
def test_axes_are_linear_unless_a_logarithmic_one_is_asked_for(drawn, log):
    axes = drawn(Lines("t", "loss", "batch", "nats", **log), BOTH).axes[0]
    assert axes.get_yscale() == ("log" if "log" in log else "linear")
    assert axes.get_xscale() == ("log" if "log_x" in log else "linear")


def test_a_missing_curve_is_named_in_legend_words_and_table(legend, alt, table):
    assert legend(LOSS, STOPPED) == ["bad: no curve", "good"]
    assert alt(LOSS, STOPPED) == (
        "Line chart of loss (nats) over batch: bad has no curve; "
        "good goes from 2.500 to 0.100."
    )
    assert table(LOSS, STOPPED)[1][0] == ("1", "–", "2.500")
    assert table(LOSS, {"bad": {}, "good": {}})[1] == []


def test_the_table_holds_the_marked_points_first_and_last_among_them(drawn, table):
    header, rows = table(LOSS, BOTH)
    assert header == ("batch", "bad", "good")
    assert [row[0] for row in rows] == [str(n) for n in range(1, 26, 3)]
    assert rows[0] == ("1", "2.500", "2.500")
    assert rows[1] == ("4", "–", f"{2.5 / 4:.3f}")
    assert rows[-1] == ("25", "–", "0.100")
    good = drawn(LOSS, BOTH).axes[0].lines[1]
    assert [i + 1 for i in good.get_markevery()] == [int(row[0]) for row in rows]


def test_a_curve_can_count_its_steps_from_zero(drawn, table):
    bad, good = drawn(distance(), APART).axes[0].lines
    assert xy(bad) == list(enumerate(GROWING))
    assert set(good.get_ydata()) == {0.0}
    _, rows = table(distance(), APART)
    assert rows[:2] == [("0", "0.000", "0.000"), ("1", "2.0e-08", "0.000")]
    assert len(rows) == 4


def test_the_words_name_both_ends_or_that_a_curve_stays_at_zero(alt):
    words = alt(distance(), APART)
    assert "bad goes from 0.000 to 1.0e-06; good stays at zero" in words


def test_on_a_logarithmic_axis_zero_has_a_place_below(drawn):
    axes = drawn(distance(smallest=1e-9), APART).axes[0]
    heights = axes.transData.transform([(0, y) for y in (0, 1e-9, 1e-8, 1e-7)])[:, 1]
    zero, *decades = heights
    assert zero < decades[0]
    assert decades[1] - decades[0] == pytest.approx(decades[2] - decades[1])
    assert axes.get_ylim()[0] < 0 < GROWING[-1] <= axes.get_ylim()[1]
    assert "0" in [label.get_text() for label in axes.get_yticklabels()]


@pytest.mark.parametrize("largest", [0.0, 50.0])
def test_an_axis_with_zero_fits_any_range_and_has_few_labels(drawn, largest):
    data = {"bad": {"distance": (0.0, largest)}, "good": {}}
    axes = drawn(distance(smallest=1e-12), data).axes[0]
    assert axes.get_ylim()[1] >= max(largest, 1e-12)
    assert 3 <= len(axes.get_yticks()) <= 8


def test_each_point_has_its_place_on_both_axes_and_the_reference_is_a_line(drawn):
    lines = {line.get_label(): line for line in drawn(COST, COSTS).axes[0].lines}
    assert xy(lines["good"]) == [(1, 3), (4, 9), (16, 8)]
    assert list(lines["even"].get_xdata()) == [5, 5]


def test_a_level_is_a_horizontal_line_that_the_words_name(drawn, alt):
    guessing = Lines("Stays", "loss", x="batch", y="loss (nats)", level="guessing")
    data = {"bad": BOTH["bad"], "good": {**BOTH["good"], "guessing": 2.3}}
    lines = {line.get_label(): line for line in drawn(guessing, data).axes[0].lines}
    assert list(lines["guessing"].get_ydata()) == [2.3, 2.3]
    assert alt(guessing, data).endswith("guessing at 2.300.")


def test_a_logarithmic_axis_of_few_places_is_labelled_at_each(drawn):
    picture = Lines("t", "cost", at="size", x="images", y="MB", log=True, log_x=True)
    axes = drawn(picture, COSTS).axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "4", "16"]


def test_words_and_table_tell_how_far_and_how_high_a_curve_goes(alt, table):
    words = alt(COST, COSTS)
    assert "good goes from 3.000 at 1.000 to 8.000 at 16.000, at most 9.000" in words
    assert words.endswith("even at 5.000.")
    header, rows = table(COST, COSTS)
    assert header == ("", "images", "MB")
    assert (len(rows), rows[0]) == (6, ("bad", "1.000", "1.000"))
    assert rows[-1] == ("good", "16.000", "8.000")


def test_a_version_without_places_has_no_curve(drawn, alt):
    stopped = {"bad": COSTS["bad"], "good": {}}
    names = [line.get_label() for line in drawn(COST, stopped).axes[0].lines]
    assert names == ["bad", "good: no curve"]
    assert "good has no curve" in alt(COST, stopped)


def test_each_version_marks_the_step_that_it_picked(drawn, legend):
    *curves, bad, good = drawn(PICKED, PICKS).axes[0].lines
    assert [xy(curve) for curve in curves] == [list(enumerate(CURVE, 1))] * 2
    assert (xy(bad), xy(good)) == ([(3.0, 0.65)], [(2.0, 0.85)])
    assert bad.get_color() != good.get_color()
    assert bad.get_marker() != good.get_marker()
    names = ["bad: val", "good: val", "bad: test 0.650", "good: test 0.850"]
    assert legend(PICKED, PICKS) == names


def test_words_and_table_tell_peak_and_pick(alt, table):
    assert alt(PICKED, PICKS) == (
        "Line chart of accuracy over epoch: bad goes from 0.500 at 1.000 to 0.700 at "
        "3.000, at most 0.900 at 2.000, test 0.650 at 3.000; good goes from 0.500 at "
        "1.000 to 0.700 at 3.000, at most 0.900 at 2.000, test 0.850 at 2.000."
    )
    _, rows = table(PICKED, PICKS)
    assert rows[1] == ("bad", "2.000", "0.900")
    assert rows[3] == ("bad: test", "3.000", "0.650")


def test_a_version_that_stopped_has_no_mark(drawn, alt, table):
    stopped = {"bad": {}, "good": PICKS["good"]}
    lines = drawn(PICKED, stopped).axes[0].lines
    assert list(lines[0].get_xdata()) == []
    assert math.isnan(lines[2].get_ydata()[0])
    assert "bad has no curve" in alt(PICKED, stopped)
    assert table(PICKED, stopped)[1][0] == ("bad: test", "nan", "nan")


def test_a_mark_hangs_above_what_it_should_have_been(drawn, legend):
    axes = drawn(LEAK, LEAKS).axes[0]
    line, _, point, way = axes.lines[:4]
    assert xy(line) == [(0, 0.9), (100, 1.0)]
    assert xy(point) == [(80.0, 0.98)]
    assert xy(way) == [(80.0, 0.9), (80.0, 0.98)]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("seen (%)", "acc")
    names = ["bad: ends", "good: ends", "bad: said 0.980", "true", "good: said 0.910"]
    assert legend(LEAK, LEAKS) == names


def test_words_and_table_tell_the_mark_and_what_it_should_have_been(alt, table):
    assert "said 0.980 at 80.000, true 0.900 at 80.000; good" in alt(LEAK, LEAKS)
    assert table(LEAK, LEAKS)[1][:4] == [
        ("bad", "0.000", "0.900"),
        ("bad", "100.0", "1.000"),
        ("bad: said", "80.000", "0.980"),
        ("bad: true", "80.000", "0.900"),
    ]


def curves(axes):
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    return {name.split(":")[0]: lines[name] for name in lines if name[:3] != "use"}


def test_the_sweep_shows_what_was_used_and_what_came_of_it(drawn):
    left, right = drawn(SWEEP, RATES).axes
    assert curves(left) == {"bad": [1e-2, 1e-2], "good": [1e-3, 1e-1]}
    assert curves(right) == {"bad": [0.8, 0.8], "good": [0.3, 0.9]}
    assert left.get_xscale() == left.get_yscale() == right.get_xscale() == "log"
    assert left.get_ylabel() == "learning rate used"
    assert right.get_xlabel() == "learning rate asked for"


def test_the_sweep_marks_where_used_equals_asked(drawn):
    [asked] = [e for e in drawn(SWEEP, RATES).axes[0].lines if "=" in e.get_label()]
    assert xy(asked) == [(1e-3, 1e-3), (1e-1, 1e-1)]


def test_the_sweep_as_words_and_as_table(alt, table):
    words = alt(SWEEP, RATES)
    assert "bad used learning rate 0.010 to 0.010 and reached score 0.800" in words
    header, rows = table(SWEEP, RATES)
    assert header[:3] == ("learning rate asked for", "used, bad", "used, good")
    assert rows[1] == ("0.100", "0.010", "0.100", "0.800", "0.900")


def test_a_sweep_that_stopped_leaves_the_other_curve(drawn, alt, table):
    stopped = {"bad": {}, "good": RATES["good"]}
    assert curves(drawn(SWEEP, stopped).axes[0]) == {"bad": [], "good": [1e-3, 1e-1]}
    assert "asked for: bad has no curve; good used" in alt(SWEEP, stopped)
    assert table(SWEEP, stopped)[1][0] == ("0.001", "–", "0.001", "–", "0.300")
