"""The picture of answers over what is true."""

import pytest
from matplotlib.figure import Figure

from course_utils.experiments.plots import Diagonal
from course_utils.experiments.result import Contrast, Side

BAD = Side({"digit": (0.0, 1.0, 1.0), "answer": (4.0, 4.0, 5.0)})
GOOD = Side({"digit": (0.0, 1.0, 1.0), "answer": (0.5, 1.0, 1.5)})
BOTH = Contrast("11.1", BAD, GOOD)
HALF = Contrast("11.1", Side(error="ShapeError: no"), GOOD)
PICTURE = Diagonal("Flat", "digit", "answer", "digit", "answer (a number)")


def drawn(contrast):
    figure = Figure(layout="constrained")
    PICTURE.draw(figure, contrast)
    figure.draw_without_rendering()
    return figure


def test_a_panel_holds_the_answers_the_diagonal_and_the_means():
    cloud, diagonal, means = drawn(BOTH).axes[0].lines
    assert list(cloud.get_ydata()) == [4.0, 4.0, 5.0]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0.0, 1.0]
    assert list(means.get_ydata()) == [4.0, 4.5]


def test_points_stay_nearest_to_their_true_value():
    places = drawn(BOTH).axes[0].lines[0].get_xdata()
    assert [round(place) for place in places] == [0, 1, 1]


def test_versions_differ_in_color_and_in_marker():
    bad, good = (axes.lines[2] for axes in drawn(BOTH).axes)
    assert bad.get_color() != good.get_color()
    assert bad.get_marker() != good.get_marker()


def test_the_alternative_tells_where_the_means_go():
    assert PICTURE.alt(BOTH) == (
        "answer (a number) over digit. bad: mean answers go from 4.000 to 4.500; "
        "good: mean answers go from 0.500 to 1.250."
    )


@pytest.mark.parametrize(
    ("contrast", "first"),
    [(BOTH, ("0", "4.000", "0.500")), (HALF, ("0", "–", "0.500"))],
    ids=["both", "bad stopped"],
)
def test_the_table_has_one_row_a_true_value(contrast, first):
    _, rows = PICTURE.table(contrast)
    assert (rows[0], len(rows)) == (first, 2)


def test_a_side_that_stopped_says_so():
    [text] = drawn(HALF).axes[0].texts
    assert text.get_text() == "no answers"


def test_one_legend_names_every_mark_once():
    texts = [text.get_text() for text in drawn(BOTH).legends[0].get_texts()]
    assert texts == ["right answers", "mean, bad", "mean, good"]
