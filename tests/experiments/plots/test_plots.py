import html
import io
import re
import struct
import sys

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from course_utils.experiments import plots
from course_utils.experiments.plots import Bars, Curves, Images, Matrix, Shares, base
from course_utils.experiments.plots.base import COLORS
from course_utils.experiments.result import Contrast, Side

ROWS = torch.arange(3 * 4 * 4).view(3, 1, 4, 4) / 48
BAD = Side(
    {
        "accuracy": 0.91,
        "recall": 0.104,
        "truth": 0.8,
        "loss": (2.5, 2.4, 2.6),
        "cpu": "fails",
        "gpu": "runs",
        "share": (1.0, 1.0),
        "batch": (0.75, 1.0),
        "mean": 0.875,
    },
    extras={"restored": ROWS},
)
GOOD = Side(
    {
        "accuracy": 0.8,
        "recall": 0.7,
        "truth": 0.8,
        "loss": tuple(2.5 / step for step in range(1, 26)),
        "cpu": "runs",
        "gpu": "runs",
        "share": (3.0, 1.0),
        "batch": (0.75, 1.0),
        "mean": 0.8125,
    },
    extras={"clean": ROWS, "restored": 1 - ROWS},
)
STOPPED = Side(error="RuntimeError: no")
PICTURES = {
    "bars": Bars("Off", ["accuracy", "recall"], "share right", reference="truth"),
    "curves": Curves("Falls", "loss", x="batch", y="loss (nats)"),
    "log curves": Curves("Falls", "loss", x="batch", y="loss (nats)", log=True),
    "curves, log x": Curves("Falls", "loss", x="batch", y="loss (nats)", log_x=True),
    "matrix": Matrix("Where it runs", ["cpu", "gpu"]),
    "shares": Shares("Half", weights="share", values="batch", mean="mean", y="acc"),
    "images": Images("Noise", ["clean"], outputs="restored", score="mean"),
}
BOTH = Contrast("12.1", BAD, GOOD)
OUTCOMES = {
    "both": BOTH,
    "bad stopped": Contrast("12.1", STOPPED, GOOD),
    "good stopped": Contrast("12.1", BAD, STOPPED),
    "both stopped": Contrast("12.1", STOPPED, STOPPED),
}


def drawn(drawing, contrast=BOTH) -> Figure:
    figure = Figure(figsize=(6.4, 2.8), layout="constrained")
    drawing.draw(figure, contrast)
    return figure


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for each in figure.legends for text in each.get_texts()]


@pytest.fixture
def shown():
    """Show a picture; return image, text alternative and the table as HTML."""
    shell = InteractiveShell.instance()

    def show(kind, contrast=BOTH):
        with capture_output() as captured:
            plots.show(kind, contrast)
        image, table = captured.outputs
        assert image.data["text/plain"] == image.metadata["image/png"]["alt"]
        return (
            image.data["image/png"],
            image.data["text/plain"],
            table.data["text/html"],
        )

    yield show
    shell.clear_instance()


# A deprecated call inside an old matplotlib is matplotlib's affair, and so is what an
# earlier test left to the garbage collector that test's.
@pytest.mark.filterwarnings(
    "error",
    "ignore::DeprecationWarning:(matplotlib|pyparsing)",
    "ignore::ResourceWarning",
)
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("kind", PICTURES)
def test_every_picture_can_be_drawn_whatever_stopped(shown, kind, outcome):
    drawing, contrast = PICTURES[kind], OUTCOMES[outcome]
    png, alt, table = shown(drawing, contrast)
    assert png.startswith(b"\x89PNG")
    assert alt.startswith(f"{drawing.title}. ")
    assert ": ." not in alt
    assert table.startswith("<details><summary>")
    assert f"<p>{html.escape(alt.removeprefix(f'{drawing.title}. '))}</p>" in table
    header, rows = drawing.table(contrast)
    assert all(len(row) == len(header) for row in rows)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_drawn_twice_is_the_same_to_the_byte(shown, kind):
    assert shown(PICTURES[kind])[0] == shown(PICTURES[kind])[0]


def test_curves_are_linear_unless_a_logarithmic_axis_is_asked_for():
    scales = {kind: drawn(PICTURES[kind]).axes[0].get_yscale() for kind in PICTURES}
    assert (scales["curves"], scales["log curves"]) == ("linear", "log")
    scales = {kind: drawn(PICTURES[kind]).axes[0].get_xscale() for kind in PICTURES}
    assert (scales["curves"], scales["curves, log x"]) == ("linear", "log")


def test_the_picture_is_704_pixels_wide(shown):
    width, _ = struct.unpack(">II", shown(PICTURES["curves"])[0][16:24])
    assert width == 704  # 6.4 inches, 110 dots each


@pytest.mark.parametrize("kind", PICTURES)
def test_nothing_leaves_the_picture(kind, monkeypatch):
    long = (
        "A finding of so many words that one line of the figure cannot hold it at all"
    )
    figure, width, height = with_title(PICTURES[kind], long, monkeypatch)
    title = figure._suptitle
    assert "\n" in title.get_text()
    assert title.get_text().replace("\n", " ") == long
    for artist in [title, *figure.axes, *figure.legends]:
        box = artist.get_tightbbox()
        assert box.x0 >= -1, artist
        assert box.x1 <= width + 1, artist
        assert box.y0 >= -1, artist
        assert box.y1 <= height + 1, artist


def with_title(drawing, title: str, monkeypatch):
    """Show a picture under another title; return its figure and size in pixels."""
    made = []

    class Kept(Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(base, "Figure", Kept)
    monkeypatch.setattr(base, "display", lambda *_, **__: None)
    renamed = type(drawing)(**{**vars(drawing), "title": title})
    plots.show(renamed, BOTH)
    return made[0], *made[0].get_size_inches() * made[0].dpi


@pytest.mark.parametrize("kind", ["bars", "curves"])
def test_the_legend_stands_beside_the_data(kind):
    figure = drawn(PICTURES[kind])
    figure.savefig(io.BytesIO(), format="png")
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= figure.axes[0].get_window_extent().x1


def test_curves_tell_versions_apart_by_colour_marker_and_line():
    figure = drawn(PICTURES["curves"])
    bad, good = figure.axes[0].lines
    assert [to_hex(line.get_color()) for line in (bad, good)] == ["#d55e00", "#0072b2"]
    assert (bad.get_marker(), good.get_marker()) == ("x", "o")
    assert bad.get_linestyle() != good.get_linestyle()
    assert legend(figure) == ["bad", "good"]


def test_curves_hold_the_data_from_step_one_also_at_different_lengths():
    bad, good = drawn(PICTURES["curves"]).axes[0].lines
    assert list(bad.get_xdata()) == [1, 2, 3]
    assert tuple(bad.get_ydata()) == BAD.measured["loss"]
    assert list(good.get_xdata()) == list(range(1, 26))
    assert tuple(good.get_ydata()) == GOOD.measured["loss"]


def test_curves_name_their_axes_and_count_in_whole_steps():
    axes = drawn(PICTURES["curves"], Contrast("12.1", BAD, BAD)).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("batch", "loss (nats)")
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_a_missing_curve_is_named_in_the_legend_and_in_the_text():
    contrast = OUTCOMES["bad stopped"]
    assert legend(drawn(PICTURES["curves"], contrast)) == ["bad: no curve", "good"]
    assert PICTURES["curves"].alt(contrast) == (
        "Line chart of loss (nats) over batch: bad has no curve; "
        "good goes from 2.500 to 0.100."
    )


def test_the_table_of_curves_holds_their_points_first_and_last_among_them():
    header, rows = PICTURES["curves"].table(BOTH)
    assert header == ("batch", "bad", "good")
    assert [row[0] for row in rows] == [str(n) for n in range(1, 26, 2)]
    assert rows[0] == ("1", "2.500", "2.500")
    assert rows[1] == ("3", "2.600", f"{2.5 / 3:.3f}")
    assert rows[-1] == ("25", "–", "0.100")


def test_a_curve_of_one_point_is_one_row():
    one = Contrast("12.1", Side({"loss": (1.0,)}), Side({"loss": ()}))
    assert PICTURES["curves"].table(one)[1] == [("1", "1.000", "–")]
    assert PICTURES["curves"].table(OUTCOMES["both stopped"])[1] == []


def test_bars_are_as_long_as_their_values_and_bad_stands_above_good():
    axes = drawn(PICTURES["bars"]).axes[0]
    bad, good = axes.containers
    assert [bar.get_width() for bar in bad] == [0.91, 0.104]
    assert [bar.get_width() for bar in good] == [0.8, 0.7]
    assert bad[0].get_y() < good[0].get_y()
    assert axes.yaxis_inverted()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "accuracy",
        "recall",
    ]
    assert axes.get_xlabel() == "share right"


def test_bars_tell_versions_apart_by_colour_and_hatch():
    bad, good = drawn(PICTURES["bars"]).axes[0].containers
    assert to_hex(bad[0].get_facecolor()) == COLORS["bad"].lower()
    assert to_hex(good[0].get_facecolor()) == COLORS["good"].lower()
    assert bad[0].get_hatch() != good[0].get_hatch()


def test_bars_are_labelled_with_their_values():
    texts = [text.get_text() for text in drawn(PICTURES["bars"]).axes[0].texts]
    assert texts == ["0.910", "0.104", "0.800", "0.700"]


def test_the_reference_is_a_line_at_its_value_in_the_legend_and_the_text():
    for contrast in (BOTH, OUTCOMES["good stopped"], OUTCOMES["bad stopped"]):
        figure = drawn(PICTURES["bars"], contrast)
        [line] = figure.axes[0].lines
        assert list(line.get_xdata()) == [0.8, 0.8]
        assert sorted(legend(figure)) == ["bad", "good", "truth"]
        alt = PICTURES["bars"].alt(contrast)
        assert alt.endswith("; truth, a dotted line, at 0.800.")


def test_a_stopped_side_keeps_its_place_among_the_bars():
    axes = drawn(PICTURES["bars"], OUTCOMES["bad stopped"]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["nan", "nan", "0.800", "0.700"]
    assert max(axes.get_ylim()) > 1.2
    assert min(axes.get_ylim()) < -0.2


def test_the_bars_text_and_table_hold_every_value():
    assert PICTURES["bars"].alt(BOTH) == (
        "Bar chart of share right. accuracy: bad 0.910, good 0.800; "
        "recall: bad 0.104, good 0.700; truth, a dotted line, at 0.800."
    )
    assert PICTURES["bars"].table(BOTH) == (
        ("", "bad", "good"),
        [("accuracy", "0.910", "0.800"), ("recall", "0.104", "0.700")],
    )


def cells(contrast) -> list[tuple[str, str]]:
    axes = drawn(PICTURES["matrix"], contrast).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["cpu", "gpu"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["bad", "good"]
    colors = [to_hex(patch.get_facecolor()) for patch in axes.patches]
    texts = [text.get_text() for text in axes.texts]
    return list(zip(texts, colors, strict=True))


def test_a_matrix_says_in_words_what_its_colours_say():
    fine, fault = COLORS["good"].lower(), COLORS["bad"].lower()
    assert cells(BOTH) == [
        ("fails", fault),
        ("runs", fine),
        ("runs", fine),
        ("runs", fine),
    ]


def test_a_cell_that_nobody_measured_is_neither_fine_nor_a_fault():
    for text, color in cells(OUTCOMES["bad stopped"])[:2]:
        assert text == "–"
        assert color not in {value.lower() for value in COLORS.values()}


def test_the_matrix_text_and_table_hold_every_cell():
    assert PICTURES["matrix"].alt(BOTH) == (
        "Grid. bad on cpu: fails; bad on gpu: runs; "
        "good on cpu: runs; good on gpu: runs."
    )
    assert PICTURES["matrix"].table(BOTH) == (
        ("", "cpu", "gpu"),
        [("bad", "fails", "runs"), ("good", "runs", "runs")],
    )


def test_a_batch_is_as_wide_as_its_share_and_as_high_as_its_value():
    figure = drawn(PICTURES["shares"])
    bad, good = figure.axes
    assert [(p.get_x(), p.get_width()) for p in bad.patches] == [(0, 50), (50, 50)]
    assert [(p.get_x(), p.get_width()) for p in good.patches] == [(0, 75), (75, 25)]
    assert [p.get_height() for p in good.patches] == [0.75, 1.0]
    assert (bad.get_title(), good.get_title()) == (
        "bad: mean 0.875",
        "good: mean 0.812",
    )
    assert bad.get_ylabel() == "acc"
    assert good.get_xlabel() == "share in the mean (%)"


def test_the_area_of_the_batches_is_the_mean_that_is_drawn():
    for axes, side in zip(drawn(PICTURES["shares"]).axes, (BAD, GOOD), strict=True):
        area = sum(p.get_width() / 100 * p.get_height() for p in axes.patches)
        [mean] = [line for line in axes.lines if line.get_linestyle() == ":"]
        assert mean.get_ydata()[0] == side.measured["mean"] == area


def test_the_shares_text_and_table_hold_every_batch():
    assert PICTURES["shares"].alt(BOTH) == (
        "Bars as wide as a batch's share in the mean. "
        "bad: the last of 2 batches has 50.000 % of the weight, mean 0.875; "
        "good: the last of 2 batches has 25.000 % of the weight, mean 0.812."
    )
    assert PICTURES["shares"].table(BOTH) == (
        ("batch", "acc", "share, bad", "share, good"),
        [
            ("1", "0.750", "50.000 %", "75.000 %"),
            ("2", "1.000", "50.000 %", "25.000 %"),
        ],
    )


def test_the_table_of_shares_shows_both_values_where_they_differ():
    other = Side({**BAD.measured, "batch": (0.5, 1.0)})
    header, rows = PICTURES["shares"].table(Contrast("12.1", other, GOOD))
    assert header == ("batch", "acc, bad", "acc, good", "share, bad", "share, good")
    assert rows[0] == ("1", "0.500", "0.750", "50.000 %", "75.000 %")


def test_the_table_of_shares_keeps_the_side_that_ran():
    _, rows = PICTURES["shares"].table(OUTCOMES["good stopped"])
    assert rows == [("1", "0.750", "50.000 %", "–"), ("2", "1.000", "50.000 %", "–")]
    _, rows = PICTURES["shares"].table(OUTCOMES["bad stopped"])
    assert rows == [("1", "0.750", "–", "75.000 %"), ("2", "1.000", "–", "25.000 %")]


def test_images_stand_side_by_side_in_one_row_a_version():
    figure = drawn(PICTURES["images"])
    strips = [axes.images[0].get_array() for axes in figure.axes]
    assert [strip.shape for strip in strips] == [(4, 12)] * 3
    for i in range(3):
        part = torch.from_numpy(strips[0][:, 4 * i : 4 * i + 4].filled())
        assert torch.equal(part, ROWS[i, 0])
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "clean",
        "bad\nmean 0.875",
        "good\nmean 0.812",
    ]


def test_the_images_text_and_table_hold_the_scores():
    assert PICTURES["images"].alt(BOTH) == (
        "Rows of images, from top to bottom: clean; bad, mean 0.875; good, mean 0.812."
    )
    assert PICTURES["images"].table(BOTH) == (
        ("", "mean"),
        [("bad", "0.875"), ("good", "0.812")],
    )


def test_inputs_come_from_the_side_that_has_them():
    contrast = Contrast("12.1", Side(GOOD.measured, extras=GOOD.extras), STOPPED)
    labels = [axes.get_ylabel() for axes in drawn(PICTURES["images"], contrast).axes]
    assert labels == ["clean", "bad\nmean 0.812"]


def test_colours_are_okabe_and_itos_and_differ_in_brightness():
    assert COLORS == {"bad": "#D55E00", "good": "#0072B2"}
    assert len(set(base.MARKERS.values())) == len(set(base.LINES.values())) == 2


def test_the_data_of_the_figure_can_be_unfolded(shown):
    _, _, table = shown(PICTURES["bars"])
    assert re.findall(r"<td>(.*?)</td>", table) == ["0.910", "0.800", "0.104", "0.700"]


def test_drawing_leaves_matplotlibs_global_state_alone(shown):
    shown(PICTURES["bars"])
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []
