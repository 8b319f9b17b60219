"""The picture of a distance: its curves, its place for zero, its words."""

import pytest
from matplotlib.figure import Figure

from course_utils.experiments.plots import Distance
from course_utils.experiments.result import Contrast, Side

GROWING = (0.0, 2e-8, 3e-7, 1e-6)


def contrast(bad=GROWING, good=(0.0,) * 4):
    return Contrast("5.2", Side({"distance": bad}), Side({"distance": good}))


def axes_of(picture, result):
    figure = Figure()
    picture.draw(figure, result)
    return figure.axes[0], figure


def test_it_draws_both_curves_from_step_zero():
    axes, _ = axes_of(Distance("They part"), contrast())
    bad, good, *_ = axes.lines
    assert list(bad.get_xdata()) == [0, 1, 2, 3]
    assert list(bad.get_ydata()) == list(GROWING)
    assert set(good.get_ydata()) == {0.0}
    assert axes.get_yscale() == "linear"


def test_on_a_logarithmic_axis_zero_has_a_place_of_its_own_below():
    axes, _ = axes_of(Distance("They part", smallest=1e-9), contrast())
    heights = axes.transData.transform([(0, y) for y in (0, 1e-9, 1e-8, 1e-7)])[:, 1]
    zero, *decades = heights
    assert zero < decades[0]
    assert decades[1] - decades[0] == pytest.approx(decades[2] - decades[1])
    assert axes.get_ylim()[0] < 0 < GROWING[-1] <= axes.get_ylim()[1]
    assert "0" in [label.get_text() for label in axes.get_yticklabels()]


def test_two_curves_at_zero_can_be_drawn():
    axes, _ = axes_of(Distance("No", smallest=1e-9), contrast(bad=(0.0, 0.0)))
    assert axes.get_ylim()[1] >= 1e-9


def test_a_wide_range_has_few_labels():
    axes, _ = axes_of(Distance("Wide", smallest=1e-12), contrast(bad=(0.0, 50.0)))
    assert 4 <= len(axes.get_yticks()) <= 8


def test_a_version_that_stopped_is_said_to_have_no_curve():
    result = Contrast("5.2", Side(error="ValueError: no"), contrast().good)
    _, figure = axes_of(Distance("One", smallest=1e-9), result)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["bad: no curve", "good"]
    assert "bad has no curve; good stays at zero" in Distance("One").alt(result)
    header, rows = Distance("One").table(result)
    assert (header[1:], rows[0]) == (("bad", "good"), ("0", "–", "0.000"))


def test_the_words_name_both_ends():
    text = Distance("They part").alt(contrast())
    assert "bad goes from 0.000 to 1.0e-06; good stays at zero" in text


def test_the_table_holds_the_points():
    _, rows = Distance("They part").table(contrast())
    assert rows[1] == ("1", "2.0e-08", "0.000")
    assert len(rows) == 4
