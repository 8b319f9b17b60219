"""What the grid of outcomes and the stacked bars draw, read from the artists."""

from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from course_utils.experiments.plots import Outcomes, Stack
from course_utils.experiments.plots.base import COLORS
from course_utils.experiments.plots.outcome_grid import EMPTY
from course_utils.experiments.result import Contrast, Side

NOTHING = Contrast("", Side(), Side())
GRID = Outcomes(
    "Each finds its own",
    ["none", "slow\nloading"],
    [("dry run", ["–", "–"]), ("profiler", ["–", "batch 8"])],
)
TIMES = Contrast(
    "6.5",
    Side({"before": (9.0, 1.0), "after": (8.0, 0.5)}),
    Side({"before": (8.5, 1.5), "after": (1.0, 1.5)}),
)
STACK = Stack("It waits", ["loading", "forward"], "before", "after", "ms a batch")


def drawn(picture, contrast):
    figure = Figure()
    picture.draw(figure, contrast)
    return figure.axes[0]


def test_only_a_cell_in_which_something_happened_is_coloured():
    colors = [to_hex(bar.get_facecolor()) for bar in drawn(GRID, NOTHING).patches]
    assert colors == [EMPTY, EMPTY, EMPTY, COLORS["good"].lower()]


def test_every_cell_has_its_text_every_row_and_column_its_heading():
    axes = drawn(GRID, NOTHING)
    assert [text.get_text() for text in axes.texts] == ["–", "–", "–", "batch 8"]
    headings = [label.get_text() for label in axes.get_xticklabels()]
    assert headings == ["none", "slow\nloading"]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["dry run", "profiler"]


def test_the_grid_as_words_and_as_table():
    words = GRID.alt(NOTHING)
    assert words == "Grid. dry run: –; profiler: slow loading batch 8."
    header, rows = GRID.table(NOTHING)
    assert header == ("", "none", "slow loading")
    assert rows == [("dry run", "–", "–"), ("profiler", "–", "batch 8")]


def test_the_grid_shows_itself_with_a_text_alternative(capsys):
    GRID.show()
    assert "Each finds its own. Grid. dry run" in capsys.readouterr().out


def test_parts_are_stacked_before_and_after_each_change():
    bars = [bar for bar in drawn(STACK, TIMES).patches if bar.get_height() > 0]
    spans = [(bar.get_x(), bar.get_width()) for bar in bars]
    assert spans == [(0, 8.5), (8.5, 1.5), (0, 8.0), (8.0, 0.5), (0, 1.0), (1.0, 1.5)]


def test_each_bar_has_its_length_written_at_its_end():
    texts = drawn(STACK, TIMES).texts
    assert [text.get_text().strip() for text in texts] == ["10.000", "8.500", "2.500"]
    assert [text.get_position() for text in texts] == [(10, 0), (8.5, 1), (2.5, 2)]


def test_there_is_room_for_the_number_of_the_longest_bar():
    assert drawn(STACK, TIMES).get_xlim()[1] > 11


def test_the_stack_as_words_and_as_table():
    words = STACK.alt(TIMES)
    assert "before: 10.000 in all, loading 8.500, forward 1.500" in words
    assert "after, bad: 8.500 in all" in words
    header, rows = STACK.table(TIMES)
    assert header == ("", "before", "after, bad", "after, good")
    assert rows[0] == ("loading", "8.500", "8.000", "1.000")


def test_a_version_that_stopped_has_no_bar():
    stopped = Contrast("6.5", Side(error="ValueError: no"), TIMES.good)
    texts = [text.get_text().strip() for text in drawn(STACK, stopped).texts]
    assert texts == ["10.000", "2.500"]
    assert "after, bad" not in STACK.alt(stopped)
    assert STACK.table(stopped)[1][1] == ("forward", "1.500", "–", "1.500")
