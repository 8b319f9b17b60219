"""A figure of one measured quantity over another."""

import pytest
from matplotlib.figure import Figure

from course_utils.experiments.plots import Over
from course_utils.experiments.result import Contrast, Side

OVER = Over("t", x="size", y="cost", x_label="images", y_label="MB", mark="even")
BAD = Side({"size": (1.0, 4.0, 16.0), "cost": (1.0, 4.0, 16.0)})
GOOD = Side({"size": (1.0, 4.0, 16.0), "cost": (3.0, 4.0, 8.0), "even": 5.0})
BOTH = Contrast("7.1", BAD, GOOD)


def drawn(figure, contrast):
    page = Figure()
    figure.draw(page, contrast)
    return page.axes[0]


def test_each_point_has_its_place_on_both_axes():
    lines = {line.get_label(): line for line in drawn(OVER, BOTH).lines}
    assert list(lines["good"].get_xdata()) == [1, 4, 16]
    assert list(lines["good"].get_ydata()) == [3, 4, 8]
    assert list(lines["even"].get_xdata()) == [5, 5]


@pytest.mark.parametrize(("log", "scale"), [(True, "log"), (False, "linear")])
def test_both_axes_have_the_scale_asked_for(log, scale):
    axes = drawn(Over("t", "size", "cost", "images", "MB", log=log), BOTH)
    assert axes.get_xscale() == axes.get_yscale() == scale
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("images", "MB")


def test_words_and_table_tell_the_same():
    words = OVER.alt(BOTH)
    assert "bad goes up to 16.000 and is at most 16.000 high" in words
    assert words.endswith("even at 5.000.")
    header, rows = OVER.table(BOTH)
    assert header == ("", "images", "MB")
    assert rows[0] == ("bad", "1.000", "1.000")
    assert rows[-1] == ("good", "16.000", "8.000")


@pytest.mark.parametrize("length", [12, 13, 21, 200, 209])
def test_a_long_curve_has_twelve_rows_its_ends_among_them(length):
    points = tuple(float(i) for i in range(length))
    long = Contrast("7.3", Side({"size": points, "cost": points}), Side())
    rows = Over("t", "size", "cost", "images", "MB").table(long)[1]
    assert len(rows) == 12
    assert rows[0] == ("bad", "0.000", "0.000")
    assert float(rows[-1][1]) == length - 1


def test_a_short_curve_keeps_every_point():
    rows = Over("t", "size", "cost", "images", "MB").table(BOTH)[1]
    assert [row[0] for row in rows].count("good") == len(BOTH.good.measured["size"])


def test_a_version_that_stopped_has_no_curve():
    stopped = Contrast("7.1", BAD, Side(error="ValueError: no"))
    figure = Over("t", "size", "cost", "images", "MB")
    assert [line.get_label() for line in drawn(figure, stopped).lines] == [
        "bad",
        "good: no curve",
    ]
    assert "good has no curve" in figure.alt(stopped)
