"""The two panels: what they draw, say and list."""

import pytest
from matplotlib.figure import Figure

from course_utils.experiments.plots import Panels
from course_utils.experiments.result import Contrast, Side

BAD = Side({"seen": (2.0, 1.0), "truth": (3.0, 4.0), "all": (5.0, 4.0, 3.0, 2.0)})
GOOD = Side({"seen": (3.0, 2.0, 1.0), "truth": (3.0, 2.5, 1.5), "all": (3.0,) * 6})
BOTH = Contrast("4.1", BAD, GOOD)
HALF = Contrast("4.1", Side(error="RuntimeError: no"), GOOD)
PANELS = Panels("Falls", ["seen", "truth"], "epoch", "loss (nats)", "all", "it ends")


def drawn(contrast):
    figure = Figure(layout="constrained")
    PANELS.draw(figure, contrast)
    return figure


def test_each_curve_has_a_color_and_a_marker_of_its_own():
    bad, _ = drawn(BOTH).axes
    cloud, seen, truth, _ = bad.lines
    assert list(seen.get_xdata()) == [1, 2]
    assert list(truth.get_ydata()) == [3.0, 4.0]
    assert seen.get_color() != truth.get_color()
    assert seen.get_marker() != truth.get_marker()
    assert list(cloud.get_xdata()) == [0.5, 1.0, 1.5, 2.0]


def test_the_end_is_marked_where_the_curves_end():
    ends = [axes.lines[-1].get_xdata()[0] for axes in drawn(BOTH).axes]
    assert ends == [2, 3]


def test_axes_are_named_and_scales_shared():
    bad, good = drawn(BOTH).axes
    assert bad.get_ylabel() == "loss (nats)"
    assert [axes.get_xlabel() for axes in (bad, good)] == ["epoch", "epoch"]
    assert bad.get_xlim() == good.get_xlim()
    assert bad.get_ylim() == good.get_ylim()


def test_the_legend_names_every_kind_of_mark_once():
    for contrast in (BOTH, HALF):
        [legend] = drawn(contrast).legends
        texts = [text.get_text() for text in legend.get_texts()]
        assert sorted(texts) == ["all", "it ends", "seen", "truth"]


def test_the_alternative_says_where_each_curve_goes():
    assert PANELS.alt(BOTH) == (
        "Two line charts of loss (nats) over epoch. "
        "bad, up to epoch 2.000: seen goes from 2.000 to 1.000, "
        "truth goes from 3.000 to 4.000; "
        "good, up to epoch 3.000: seen goes from 3.000 to 1.000, "
        "truth goes from 3.000 to 1.500."
    )


def test_the_table_has_one_row_a_curve():
    header, rows = PANELS.table(BOTH)
    assert header == ("", "up to epoch", "first", "lowest", "highest", "last")
    assert rows[0] == ("bad: seen", "2.000", "2.000", "1.000", "2.000", "1.000")
    assert [row[0] for row in rows] == [
        "bad: seen",
        "bad: truth",
        "good: seen",
        "good: truth",
    ]


@pytest.mark.parametrize("contrast", [BOTH, HALF])
def test_every_row_is_as_wide_as_the_header(contrast):
    header, rows = PANELS.table(contrast)
    assert {len(row) for row in rows} == {len(header)}


def test_a_version_that_stopped_has_no_curve():
    bad, _ = drawn(HALF).axes
    assert [text.get_text() for text in bad.texts] == ["no curve"]
    assert "bad, up to epoch 0.000: seen has no curve" in PANELS.alt(HALF)
