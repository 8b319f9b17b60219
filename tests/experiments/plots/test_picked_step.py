"""The curve and the steps that were picked: what it draws, says and lists."""

import math

from matplotlib.figure import Figure

from course_utils.experiments.plots import Picks
from course_utils.experiments.result import Contrast, Side

CURVE = (0.5, 0.9, 0.7)
BAD = Side({"val": CURVE, "epoch": 3.0, "test": 0.65})
GOOD = Side({"val": CURVE, "epoch": 2.0, "test": 0.85})
BOTH = Contrast("10.1", BAD, GOOD)
HALF = Contrast("10.1", Side(error="RuntimeError: no"), GOOD)
PICTURE = Picks("Last", "val", "epoch", "test", "epoch", "accuracy")


def drawn(contrast):
    figure = Figure(layout="constrained")
    PICTURE.draw(figure, contrast)
    figure.draw_without_rendering()
    return figure


def test_each_version_is_a_point_at_its_step():
    [axes] = drawn(BOTH).axes
    bad, good = axes.lines[2:]
    assert (bad.get_xdata()[0], bad.get_ydata()[0]) == (3.0, 0.65)
    assert (good.get_xdata()[0], good.get_ydata()[0]) == (2.0, 0.85)
    assert bad.get_color() != good.get_color()
    assert bad.get_marker() != good.get_marker()


def test_the_curve_counts_steps_from_one():
    [axes] = drawn(BOTH).axes
    assert list(axes.lines[0].get_xdata()) == [1, 2, 3]
    assert list(axes.lines[0].get_ydata()) == list(CURVE)


def test_axes_are_named_and_the_legend_names_every_mark():
    figure = drawn(BOTH)
    [axes] = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "accuracy")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["bad: val", "good: val", "bad: test 0.650", "good: test 0.850"]


def test_the_alternative_tells_peak_and_pick():
    assert PICTURE.alt(BOTH) == (
        "val over epoch. bad: the curve is highest at 2.000, picked was 3.000 with "
        "test 0.650; good: the curve is highest at 2.000, picked was 2.000 with test "
        "0.850."
    )


def test_the_table_holds_curve_and_pick():
    header, rows = PICTURE.table(BOTH)
    assert header == ("", "bad", "good")
    assert rows == [
        ("val, highest", "0.900", "0.900"),
        ("val, last", "0.700", "0.700"),
        ("epoch", "3.000", "2.000"),
        ("test", "0.650", "0.850"),
    ]


def test_a_version_that_stopped_has_no_curve_and_no_point():
    [axes] = drawn(HALF).axes
    assert list(axes.lines[0].get_xdata()) == []
    assert math.isnan(axes.lines[2].get_ydata()[0])
    assert "bad: no curve" in PICTURE.alt(HALF)
    assert {row[1] for row in PICTURE.table(HALF)[1]} == {"nan"}
