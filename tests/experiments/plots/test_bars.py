"""Bars, stacked or as wide as a weight: what they draw, say and list."""

import pytest
from matplotlib.colors import to_hex

from course_utils.experiments.plots import Bars, StackedBars, WeightsInMean
from course_utils.experiments.plots.base import BAD, GOOD

BARS = Bars("Off", ["accuracy", "recall"], "share right", reference="truth")
BOTH = {
    "bad": {"accuracy": 0.91, "recall": 0.104, "truth": 0.8},
    "good": {"accuracy": 0.8, "recall": 0.7, "truth": 0.8},
}
STACK = StackedBars("It waits", ["loading", "forward"], "before", "after", "ms a batch")
TIMES = {
    "bad": {"before": (9.0, 1.0), "after": (8.0, 0.5)},
    "good": {"before": (8.5, 1.5), "after": (1.0, 1.5)},
}
WEIGHTS = WeightsInMean("Half", weights="share", values="batch", mean="mean", y="acc")
MEANS = {
    "bad": {"share": (1.0, 1.0), "batch": (0.75, 1.0), "mean": 0.875},
    "good": {"share": (3.0, 1.0), "batch": (0.75, 1.0), "mean": 0.8125},
}


def test_bars_are_as_long_as_their_values_and_bad_stands_above_good(drawn):
    axes = drawn(BARS, BOTH).axes[0]
    bad, good = axes.containers
    assert [bar.get_width() for bar in bad] == [0.91, 0.104]
    assert [bar.get_width() for bar in good] == [0.8, 0.7]
    assert bad[0].get_y() < good[0].get_y()
    assert axes.yaxis_inverted()
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["accuracy", "recall"]
    assert axes.get_xlabel() == "share right"


def test_bars_tell_versions_apart_by_colour_and_hatch(drawn):
    bad, good = drawn(BARS, BOTH).axes[0].containers
    assert to_hex(bad[0].get_facecolor()) == BAD.color.lower()
    assert to_hex(good[0].get_facecolor()) == GOOD.color.lower()
    assert bad[0].get_hatch() != good[0].get_hatch()


def test_bars_are_labelled_with_their_values(drawn):
    texts = [text.get_text() for text in drawn(BARS, BOTH).axes[0].texts]
    assert texts == ["0.910", "0.104", "0.800", "0.700"]


def test_counts_can_be_labelled_as_whole_numbers(drawn):
    bars = Bars("Late", ["epochs"], "epochs", whole=True)
    versions = {"bad": {"epochs": 40.0}, "good": {"epochs": 9.0}}
    assert [text.get_text() for text in drawn(bars, versions).axes[0].texts] == [
        "40",
        "9",
    ]


@pytest.mark.parametrize("stopped", [{}, {"good": {}}, {"bad": {}}])
def test_the_reference_is_a_line_at_its_value(drawn, legend, alt, stopped):
    [line] = drawn(BARS, BOTH | stopped).axes[0].lines
    assert list(line.get_xdata()) == [0.8, 0.8]
    assert sorted(legend(BARS, BOTH | stopped)) == ["bad", "good", "truth"]
    assert alt(BARS, BOTH | stopped).endswith("; truth, a dotted line, at 0.800.")


def test_a_stopped_version_keeps_its_place_among_the_bars(drawn):
    axes = drawn(BARS, BOTH | {"bad": {}}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["nan", "nan", "0.800", "0.700"]
    assert max(axes.get_ylim()) > 1.2
    assert min(axes.get_ylim()) < -0.2


def test_the_bars_text_and_table_hold_every_value(alt, table):
    assert alt(BARS, BOTH) == (
        "Bar chart of share right. accuracy: bad 0.910, good 0.800; "
        "recall: bad 0.104, good 0.700; truth, a dotted line, at 0.800."
    )
    assert table(BARS, BOTH) == (
        ("", "bad", "good"),
        [("accuracy", "0.910", "0.800"), ("recall", "0.104", "0.700")],
    )


def test_parts_are_stacked_before_and_after_each_change(drawn):
    bars = drawn(STACK, TIMES).axes[0].patches
    spans = [(bar.get_x(), bar.get_width()) for bar in bars]
    assert spans[:3] == [(0, 8.5), (0, 8.0), (0, 1.0)]
    assert spans[3:] == [(8.5, 1.5), (8.0, 0.5), (1.0, 1.5)]


def test_each_bar_has_its_length_written_at_its_end_with_room_for_it(drawn):
    axes = drawn(STACK, TIMES).axes[0]
    texts = [text.get_text().strip() for text in axes.texts]
    assert texts == ["10.000", "8.500", "2.500"]
    assert [t.get_position() for t in axes.texts] == [(10, 0), (8.5, 1), (2.5, 2)]
    assert axes.get_xlim()[1] > 11


def test_the_stack_as_words_and_as_table(alt, table):
    words = alt(STACK, TIMES)
    assert "before: 10.000 in all, loading 8.500, forward 1.500" in words
    assert "after, bad: 8.500 in all" in words
    header, rows = table(STACK, TIMES)
    assert header == ("", "before", "after, bad", "after, good")
    assert rows[0] == ("loading", "8.500", "8.000", "1.000")


def test_a_batch_is_as_wide_as_its_share_and_as_high_as_its_value(drawn):
    bad, good = drawn(WEIGHTS, MEANS).axes
    assert [(p.get_x(), p.get_width()) for p in bad.patches] == [(0, 50), (50, 50)]
    assert [(p.get_x(), p.get_width()) for p in good.patches] == [(0, 75), (75, 25)]
    assert [p.get_height() for p in good.patches] == [0.75, 1.0]
    titles = ("bad: mean 0.875", "good: mean 0.812")
    assert (bad.get_title(), good.get_title()) == titles
    assert bad.get_ylabel() == "acc"
    assert good.get_xlabel() == "share in the mean (%)"


def test_the_area_of_the_batches_is_the_mean_that_is_drawn(drawn):
    for axes, version in zip(drawn(WEIGHTS, MEANS).axes, MEANS.values(), strict=True):
        area = sum(p.get_width() / 100 * p.get_height() for p in axes.patches)
        [mean] = [line for line in axes.lines if line.get_linestyle() == ":"]
        assert mean.get_ydata()[0] == version["mean"] == area


def test_the_words_and_the_table_of_weights_hold_every_batch(alt, table):
    assert alt(WEIGHTS, MEANS) == (
        "Bars as wide as a batch's share in the mean. "
        "bad: the last of 2 batches has 50.000 % of the weight, mean 0.875; "
        "good: the last of 2 batches has 25.000 % of the weight, mean 0.812."
    )
    assert table(WEIGHTS, MEANS) == (
        ("batch", "acc", "share, bad", "share, good"),
        [
            ("1", "0.750", "50.000 %", "75.000 %"),
            ("2", "1.000", "50.000 %", "25.000 %"),
        ],
    )


def test_the_table_of_weights_shows_both_values_where_they_differ(table):
    other = {"bad": MEANS["bad"] | {"batch": (0.5, 1.0)}, "good": MEANS["good"]}
    header, rows = table(WEIGHTS, other)
    assert header == ("batch", "acc, bad", "acc, good", "share, bad", "share, good")
    assert rows[0] == ("1", "0.500", "0.750", "50.000 %", "75.000 %")


def test_the_table_of_weights_keeps_the_version_that_ran(table):
    _, rows = table(WEIGHTS, MEANS | {"good": {}})
    assert rows == [("1", "0.750", "50.000 %", "–"), ("2", "1.000", "50.000 %", "–")]
    _, rows = table(WEIGHTS, MEANS | {"bad": {}})
    assert rows == [("1", "0.750", "–", "75.000 %"), ("2", "1.000", "–", "25.000 %")]
