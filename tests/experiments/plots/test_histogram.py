"""Histograms over repetitions: what they draw, say and list."""

import pytest

from course_utils.experiments.plots import Histogram

PICTURE = Histogram("Too good", "error", "error (points)", "draws")
GOOD = {"error": (-1.0, 0.0, 0.0, 1.0)}
BOTH = {"bad": {"error": tuple(float(i) for i in range(1, 101))}, "good": GOOD}
HALF = {"bad": {}, "good": GOOD}


def test_every_value_is_in_a_bar(drawn):
    counts = [
        sum(bar.get_height() for bar in axes.patches)
        for axes in drawn(PICTURE, BOTH).axes
    ]
    assert counts == [100, 4]


def test_both_histograms_have_the_same_bins_and_scales(drawn):
    bad, good = drawn(PICTURE, BOTH).axes
    assert [b.get_x() for b in bad.patches] == [b.get_x() for b in good.patches]
    assert (bad.get_xlim(), bad.get_ylim()) == (good.get_xlim(), good.get_ylim())


def test_the_mean_is_a_line_and_the_reference_another(drawn):
    bad, good = drawn(PICTURE, BOTH).axes
    assert bad.lines[0].get_xdata()[0] == pytest.approx(50.5)
    assert good.lines[0].get_xdata()[0] == pytest.approx(0.0)
    assert [axes.lines[-1].get_xdata()[0] for axes in (bad, good)] == [0.0, 0.0]
    assert bad.lines[0].get_color() != good.lines[0].get_color()
    assert bad.lines[1].get_marker() != good.lines[1].get_marker()


def test_axes_are_named_and_the_legend_names_every_line_once(drawn, legend):
    figure = drawn(PICTURE, BOTH)
    assert figure.axes[1].get_xlabel() == "error (points)"
    assert [axes.get_ylabel() for axes in figure.axes] == ["draws", "draws"]
    assert legend(PICTURE, BOTH) == ["bad: mean 50.500", "good: mean 0.000", "no error"]


def test_the_alternative_tells_mean_and_width(alt):
    assert alt(PICTURE, BOTH) == (
        "Two histograms of error (points): bad has the mean 50.500, nine tenths lie "
        "from 6.000 to 96.000; good has the mean 0.000, nine tenths lie from -1.000 "
        "to 1.000."
    )


def test_the_table_counts_what_is_above_the_reference(table):
    header, rows = table(PICTURE, BOTH)
    assert header == ("", "bad", "good")
    assert rows[0] == ("mean", "50.500", "0.000")
    assert rows[2] == ("median", "51.000", "0.000")
    assert rows[-1] == ("share above no error (%)", "100.0", "25.000")


def test_a_version_that_stopped_has_no_histogram(drawn, alt, table):
    bad, good = drawn(PICTURE, HALF).axes
    assert [text.get_text() for text in bad.texts] == ["bad: no values"]
    assert sum(bar.get_height() for bar in good.patches) == 4
    assert "bad has no values" in alt(PICTURE, HALF)
    assert {row[1] for row in table(PICTURE, HALF)[1]} == {"–"}


def test_values_that_are_all_the_same_make_one_bar(drawn):
    same = {"bad": {"error": (2.0, 2.0)}, "good": {"error": (2.0,)}}
    heights = [bar.get_height() for bar in drawn(PICTURE, same).axes[0].patches]
    assert sorted(heights)[-2:] == [0, 2]


def test_both_stopped_is_no_error(drawn):
    figure = drawn(PICTURE, {"bad": {}, "good": {}})
    assert [len(axes.patches) for axes in figure.axes] == [0, 0]
