"""What holds for every picture: how it is shown, and that everybody can read it."""

import html
import re
import struct
import sys
from itertools import pairwise

import matplotlib
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from course_utils.experiments import plots
from course_utils.experiments.plots import base
from course_utils.experiments.plots.base import (
    BAD,
    GOOD,
    sample,
    styled,
    versions_of,
)
from course_utils.experiments.result import Contrast, VersionResult

ROWS = torch.arange(3 * 4 * 4).view(3, 1, 4, 4) / 48
GOOD_RESULT = VersionResult(
    {
        "accuracy": 0.8,
        "recall": 0.7,
        "truth": 0.8,
        "loss": tuple(2.5 / step for step in range(1, 26)),
        "asked": (1e-3, 1e-1),
        "used": (1e-3, 1e-1),
        "cpu": "runs",
        "gpu": "runs",
        "parts": (3.0, 1.0),
        "batch": (0.75, 1.0),
        "digit": (1.0, 2.0),
        "mean": 0.8125,
    },
    extras={"clean": ROWS, "restored": 1 - ROWS},
)
BAD_RESULT = VersionResult(
    GOOD_RESULT.measured
    | {
        "loss": (2.5, 2.4, 2.6),
        "cpu": "fails",
        "parts": (1.0, 1.0),
        "used": (0.1, 0.1),
    },
    extras={"restored": ROWS},
)
STOPPED = VersionResult(error="RuntimeError: no")
LOSS = {"name": "loss", "x": "batch", "y": "loss (nats)"}
PICTURES = [
    plots.Bars("Off", ["accuracy", "recall"], "share right", reference="truth"),
    plots.StackedBars("It waits", ["load", "step"], "parts", "parts", "ms"),
    plots.Stacks("It halves", ["load", "step"], ["parts", "used"], "MB"),
    plots.Lines("Falls", **LOSS, log_x=True, reference="truth"),
    plots.Lines("Falls", **LOSS, log=True, point=("truth", "accuracy"), truth="mean"),
    plots.Lines("Falls", **LOSS, first=0, smallest=0.01),
    plots.Lines("Rises", "batch", "size", "MB", at="digit", log_x=True),
    plots.Sweep("Not swept", "asked", "used", "batch", "rate"),
    plots.Panels("Falls", ["loss", "batch"], "epoch", "nats", cloud="parts", end="end"),
    plots.PredictedVsTrue("Flat", "digit", "batch", "digit", "answer"),
    plots.Cells("Where it runs", ["cpu", "gpu"], fine="runs"),
    plots.Histogram("Too good", "loss", "error", "draws"),
    plots.WeightsInMean("Half", "parts", "batch", mean="mean", y="accuracy"),
    plots.Images("Noise", ["clean"], outputs="restored", score="mean"),
]
BOTH = Contrast("12.1", BAD_RESULT, GOOD_RESULT)
OUTCOMES = {
    "both": BOTH,
    "bad stopped": Contrast("12.1", STOPPED, GOOD_RESULT),
    "good stopped": Contrast("12.1", BAD_RESULT, STOPPED),
    "both stopped": Contrast("12.1", STOPPED, STOPPED),
}
every_picture = pytest.mark.parametrize("picture", PICTURES, ids=repr)


@pytest.fixture
def shown():
    """Show a picture; return image, text alternative and the table as HTML."""
    shell = InteractiveShell.instance()

    def show(picture, data=BOTH):
        with capture_output() as captured:
            plots.show(picture, data)
        image, table = captured.outputs
        assert image.data["text/plain"] == image.metadata["image/png"]["alt"]
        return (
            image.data["image/png"],
            image.data["text/plain"],
            table.data["text/html"],
        )

    yield show
    shell.clear_instance()


def test_every_public_picture_is_tested():
    others = {"Picture", "show"}
    assert {type(each).__name__ for each in PICTURES} == {*plots.__all__} - others


# A deprecated call inside an old matplotlib is matplotlib's affair, and so is what an
# earlier test left to the garbage collector that test's.
@pytest.mark.filterwarnings(
    "error",
    "ignore::DeprecationWarning:(matplotlib|pyparsing)",
    "ignore::ResourceWarning",
)
@pytest.mark.parametrize("outcome", OUTCOMES)
@every_picture
def test_every_picture_can_be_drawn_whatever_stopped(
    shown, alt, table, picture, outcome
):
    png, text, unfolded = shown(picture, OUTCOMES[outcome])
    words = alt(picture, OUTCOMES[outcome])
    assert png.startswith(b"\x89PNG")
    assert text == f"{picture.title}. {words}"
    assert ": ." not in text
    assert ". ." not in text
    assert unfolded.startswith("<details><summary>")
    assert f"<p>{html.escape(words)}</p>" in unfolded
    header, rows = table(picture, OUTCOMES[outcome])
    assert all(len(row) == len(header) for row in rows)


@every_picture
def test_a_picture_drawn_twice_is_the_same_to_the_byte(shown, picture):
    assert shown(picture)[0] == shown(picture)[0]


@every_picture
def test_nothing_leaves_the_picture(picture, monkeypatch):
    long = (
        "A finding of so many words that one line of the figure cannot hold it at all"
    )
    figure = with_title(picture, long, monkeypatch)
    width, height = figure.get_size_inches() * figure.dpi
    title = figure._suptitle
    assert "\n" in title.get_text()
    assert title.get_text().replace("\n", " ") == long
    for artist in [title, *figure.axes, *figure.legends]:
        box = artist.get_tightbbox()
        assert box.x0 >= -1, artist
        assert box.x1 <= width + 1, artist
        assert box.y0 >= -1, artist
        assert box.y1 <= height + 1, artist


def with_title(picture, title: str, monkeypatch) -> Figure:
    """Show a picture under another title; return its figure."""
    made = []

    class Kept(Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(base, "Figure", Kept)
    monkeypatch.setattr(base, "display", lambda *_, **__: None)
    plots.show(type(picture)(**{**vars(picture), "title": title}), BOTH)
    return made[0]


@every_picture
def test_the_legend_stands_beside_the_data_and_names_each_kind_of_mark_once(
    drawn, legend, picture
):
    names = legend(picture, BOTH)
    assert len(names) == len({*names})
    figure = drawn(picture, BOTH)
    for box in (each.get_window_extent() for each in figure.legends):
        for axes in (each.get_window_extent() for each in figure.axes):
            assert box.x0 >= axes.x1 or box.y1 <= axes.y0


def luminance(color) -> float:
    """Return the relative luminance of WCAG 2.2."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in to_rgba(color)[:3]
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def ratio(color, behind="white") -> float:
    dark, light = sorted((luminance(color), luminance(behind)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_of_black_and_white_is_21_to_1_and_of_equal_colors_1_to_1():
    assert ratio("black") == pytest.approx(21)
    assert ratio("#777777") == pytest.approx(4.48, abs=0.01)
    assert ratio("white") == 1


def opaque(artist, color) -> bool:
    return artist.get_alpha() in (None, 1) and to_rgba(color)[3] == 1


@every_picture
def test_every_mark_stands_out_from_white_by_three_to_one(drawn, picture):
    for axes in drawn(picture, BOTH).axes:
        for line in axes.lines:
            assert opaque(line, line.get_color()), line
            assert ratio(line.get_color()) >= 3, line
        for patch in axes.patches:
            edges = [patch.get_edgecolor()] if patch.get_linewidth() else []
            solid = [c for c in (patch.get_facecolor(), *edges) if opaque(patch, c)]
            assert max(map(ratio, solid)) >= 3, patch


@every_picture
def test_every_text_stands_out_from_what_is_behind_it_by_four_and_a_half_to_one(
    drawn, picture
):
    figure = drawn(picture, BOTH)
    for text in figure.findobj(lambda artist: hasattr(artist, "get_bbox_patch")):
        paper = text.get_bbox_patch()
        behind = paper.get_facecolor() if paper else "white"
        assert ratio(text.get_color(), behind) >= 4.5, text


@pytest.mark.parametrize(
    "styles", [(BAD, GOOD), plots.panels.CURVES, plots.bars.PARTS], ids=repr
)
def test_styles_differ_in_more_than_their_color(styles):
    assert all(ratio(style.color) >= 3 for style in styles)
    assert len({style.color for style in styles}) == len(styles)
    others = {(style.marker, style.line, style.hatch) for style in styles}
    assert len(others) >= len(styles) - 1  # the last part is the only grey one


def test_the_picture_is_704_pixels_wide(shown):
    width, _ = struct.unpack(">II", shown(PICTURES[0])[0][16:24])
    assert width == 704  # 6.4 inches, 110 dots each


def test_the_data_of_the_figure_can_be_unfolded(shown):
    _, _, table = shown(PICTURES[0])
    assert re.findall(r"<td>(.*?)</td>", table) == ["0.800", "0.800", "0.700", "0.700"]


def test_drawing_leaves_matplotlibs_global_state_alone(shown):
    shown(PICTURES[0])
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_a_picture_needs_no_contrast_only_named_measurements(shown):
    loss = {"sigmoid": {"loss": [2.0, 1.0]}, "ReLU": {"loss": (2.0, 0.5)}}
    _, text, table = shown(plots.Lines("Falls", **LOSS), loss)
    assert "sigmoid goes from 2.000 to 1.000; ReLU goes from 2.000 to 0.500" in text
    assert "<td>1.000</td><td>0.500</td>" in table


def test_a_single_version_needs_no_legend(legend, alt):
    bars = plots.Bars("t", ["said", "true"], "accuracy")
    assert legend(bars, {"accuracy": {"said": 0.9, "true": 0.2}}) == []


def test_a_third_version_has_a_style_of_its_own(legend):
    loss = {name: {"loss": [2.0, 1.0]} for name in ("bad", "good", "further")}
    names = legend(plots.Lines("t", **LOSS), loss)
    assert names == ["bad", "good", "further"]
    styles = [style for _, _, style in styled(versions_of(loss))]
    assert len({(s.color, s.marker, s.line) for s in styles}) == 3


def test_four_versions_are_more_than_there_are_styles(drawn):
    with pytest.raises(ValueError, match="one to three versions but got 4"):
        drawn(plots.Lines("t", **LOSS), {"a": {}, "b": {}, "c": {}, "d": {}})


@pytest.mark.parametrize("length", [0, 1, 2, 11, 12, 13, 20, 25, 100, 209, 1000])
def test_a_sample_has_at_most_twelve_even_steps_both_ends_among_them(length):
    places = sample(length)
    assert len(places) <= 12
    assert places[:1] == [0][:length]
    assert places[-1:] == [length - 1][:length]
    assert len({b - a for a, b in pairwise(places[:-1])}) <= 1
    if length <= 12:
        assert places == list(range(length))


USERS = {
    "text.usetex": True,
    "font.size": 30,
    "axes.facecolor": "black",
    "savefig.bbox": "tight",
    "savefig.facecolor": "red",
    "lines.markersize": 40,
}


def test_a_users_plotting_settings_never_reach_a_figure(shown):
    plain = shown(PICTURES[0])
    with matplotlib.rc_context(USERS):
        assert shown(PICTURES[0]) == plain
        assert matplotlib.rcParams["font.size"] == 30
