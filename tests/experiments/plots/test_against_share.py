"""The picture of a share and what it does to a number."""

import pytest
from matplotlib.figure import Figure

from course_utils.experiments.plots import Against
from course_utils.experiments.result import Contrast, Side

BAD = Side({"share": 80.0, "acc": 0.98, "truth": 0.9, "ends": (0.9, 1.0)})
GOOD = Side({"share": 0.0, "acc": 0.91, "truth": 0.89, "ends": (0.91, 1.0)})
BOTH = Contrast("1.2", BAD, GOOD)
HALF = Contrast("1.2", Side(error="RuntimeError: no"), GOOD)
PICTURE = Against("Up", "share", "acc", "truth", "ends", "seen (%)", "accuracy")


def drawn(contrast):
    figure = Figure(layout="constrained")
    PICTURE.draw(figure, contrast)
    figure.draw_without_rendering()
    return figure


def test_each_version_is_a_point_on_its_line_above_its_reference():
    [axes] = drawn(BOTH).axes
    line, way, truth, point = axes.lines[:4]
    assert list(line.get_xdata()) == [0, 100]
    assert list(line.get_ydata()) == [0.9, 1.0]
    assert list(way.get_ydata()) == [0.9, 0.98]
    assert list(truth.get_ydata()) == [0.9]
    assert (list(point.get_xdata()), list(point.get_ydata())) == ([80.0], [0.98])
    assert [text.get_text() for text in axes.texts] == ["bad: 0.980", "good: 0.910"]


def test_versions_differ_in_color_and_in_marker():
    [axes] = drawn(BOTH).axes
    bad, good = axes.lines[3], axes.lines[7]
    assert bad.get_color() != good.get_color()
    assert bad.get_marker() != good.get_marker()


def test_axes_are_named_and_the_legend_names_every_mark():
    figure = drawn(BOTH)
    assert figure.axes[0].get_xlabel() == "seen (%)"
    assert figure.axes[0].get_ylabel() == "accuracy"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["truth", "acc, bad", "acc, good"]


def test_the_alternative_tells_both_points():
    assert PICTURE.alt(BOTH) == (
        "accuracy over seen (%). bad: acc 0.980 at 80.000 %, truth 0.900; "
        "good: acc 0.910 at 0.000 %, truth 0.890."
    )


def test_the_table_holds_points_and_ends():
    header, rows = PICTURE.table(BOTH)
    assert header == ("", "bad", "good")
    assert rows == [
        ("share", "80.000", "0.000"),
        ("acc", "0.980", "0.910"),
        ("truth", "0.900", "0.890"),
        ("acc at 0 %", "0.900", "0.910"),
        ("acc at 100 %", "1.000", "1.000"),
    ]


@pytest.mark.parametrize("part", ["alt", "table"])
def test_a_version_that_stopped_leaves_a_picture(part):
    drawn(HALF)
    assert "nan" in str(getattr(PICTURE, part)(HALF))
