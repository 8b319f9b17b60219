"""What the tall grid and the sweep draw, read from the figure's artists."""

from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from course_utils.experiments.plots import Grid, Sweep
from course_utils.experiments.plots.base import COLORS
from course_utils.experiments.result import Contrast, Side

STAGES = Contrast(
    "3.2",
    Side({"save": "works", "load": "UnpicklingError", "path": "fails", "MB": 7.0}),
    Side({"save": "works", "load": "works", "MB": 0.6}),
)
GRID = Grid("It cannot be loaded", ["save", "load", "path"])
RATES = Contrast(
    "3.3",
    Side({"asked": (1e-3, 1e-1), "used": (1e-2, 1e-2), "score": (0.8, 0.8)}),
    Side({"asked": (1e-3, 1e-1), "used": (1e-3, 1e-1), "score": (0.3, 0.9)}),
)
SWEEP = Sweep("Nothing was swept", "asked", "used", "score", "learning rate")


def drawn(picture, contrast):
    figure = Figure()
    picture.draw(figure, contrast)
    return figure.axes


def test_a_cell_of_the_grid_is_coloured_by_its_text():
    [axes] = drawn(GRID, STAGES)
    colors = [to_hex(patch.get_facecolor()).upper() for patch in axes.patches]
    good, bad = COLORS["good"].upper(), COLORS["bad"].upper()
    assert colors == [good, good, bad, good, bad]
    assert [patch.get_hatch() for patch in axes.patches] == ["", "", "//", "", "//"]


def test_a_missing_cell_of_the_grid_is_a_dash_without_colour():
    [axes] = drawn(GRID, STAGES)
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["works", "works", "UnpicklingError", "works", "fails", "–"]
    assert len(axes.patches) == 5


def test_the_grid_has_a_row_for_each_name_and_a_heading_for_each_column():
    [axes] = drawn(
        Grid("t", ["save", "load"], columns=["as it comes", "plain"]), STAGES
    )
    assert [label.get_text() for label in axes.get_yticklabels()] == ["save", "load"]
    headings = [label.get_text() for label in axes.get_xticklabels()]
    assert headings == ["as it comes", "plain"]


def test_the_grid_as_words_and_as_table():
    assert "load: UnpicklingError bad, works good" in GRID.alt(STAGES)
    header, rows = GRID.table(STAGES)
    assert header == ("", "bad", "good")
    assert rows[1:] == [("load", "UnpicklingError", "works"), ("path", "fails", "–")]


def lines(axes):
    curves = [line for line in axes.lines if line.get_label() in COLORS]
    return {line.get_label(): list(line.get_ydata()) for line in curves}


def test_the_sweep_shows_what_was_used_and_what_came_of_it():
    left, right = drawn(SWEEP, RATES)
    assert lines(left) == {"bad": [1e-2, 1e-2], "good": [1e-3, 1e-1]}
    assert lines(right) == {"bad": [0.8, 0.8], "good": [0.3, 0.9]}
    assert left.get_xscale() == left.get_yscale() == right.get_xscale() == "log"
    assert left.get_ylabel() == "learning rate used"
    assert right.get_xlabel() == "learning rate asked for"


def test_the_sweep_marks_where_used_equals_asked():
    left, _ = drawn(SWEEP, RATES)
    diagonal = next(line for line in left.lines if line.get_label() not in COLORS)
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [1e-3, 1e-1]


def test_the_sweep_as_words_and_as_table():
    words = SWEEP.alt(RATES)
    assert "bad used learning rate 0.010 to 0.010 and reached score 0.800" in words
    header, rows = SWEEP.table(RATES)
    assert header[:3] == ("learning rate asked for", "used, bad", "used, good")
    assert rows[1] == ("0.100", "0.010", "0.100", "0.800", "0.900")


def test_a_version_that_stopped_leaves_the_other_curve():
    stopped = Contrast("3.3", Side(error="ValueError: no"), RATES.good)
    left, _ = drawn(SWEEP, stopped)
    assert lines(left) == {"bad": [], "good": [1e-3, 1e-1]}
    assert "bad" not in SWEEP.alt(stopped)
    assert SWEEP.table(stopped)[1][0] == ("0.001", "–", "0.001", "–", "0.300")
