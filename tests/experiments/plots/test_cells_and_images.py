"""The coloured grid and the rows of images: what they draw, say and list."""

import torch
from matplotlib.colors import to_hex

from course_utils.experiments.plots import Cells, Images
from course_utils.experiments.plots.base import BAD, GOOD
from course_utils.experiments.result import VersionResult

CELLS = Cells("It cannot be loaded", ["save", "load", "path"])
STAGES = {
    "bad": {"save": "works", "load": "UnpicklingError", "path": "fails", "MB": 7.0},
    "good": {"save": "works", "load": "works", "MB": 0.6},
}
ROWS = torch.arange(3 * 4 * 4).view(3, 1, 4, 4) / 48
IMAGES = Images("Noise", ["clean"], outputs="restored", score="mean")
RESTORED = {
    "bad": VersionResult({"mean": 0.875}, extras={"restored": ROWS}),
    "good": VersionResult({"mean": 0.8125}, extras={"clean": ROWS, "restored": ROWS}),
}


def labels(ticks):
    return [tick.get_text() for tick in ticks]


def colors(axes):
    return [to_hex(patch.get_facecolor()).upper() for patch in axes.patches]


def test_a_cell_is_coloured_and_hatched_by_its_text(drawn):
    [axes] = drawn(CELLS, STAGES).axes
    bad, good = BAD.color, GOOD.color
    assert colors(axes) == [good, good, bad, good, bad]
    assert [patch.get_hatch() for patch in axes.patches] == ["", "", "//", "", "//"]


def test_a_missing_cell_is_a_dash_without_colour(drawn):
    [axes] = drawn(CELLS, STAGES).axes
    texts = ["works", "works", "UnpicklingError", "works", "fails", "–"]
    assert labels(axes.texts) == texts
    assert len(axes.patches) == 5


def test_the_grid_has_a_row_per_name_and_a_heading_per_version(drawn, table):
    columns = ["as it comes", "made\nplain"]
    [axes] = drawn(Cells("t", ["save", "load"], columns=columns), STAGES).axes
    assert labels(axes.get_yticklabels()) == ["save", "load"]
    assert labels(axes.get_xticklabels()) == columns
    [axes] = drawn(CELLS, STAGES).axes
    assert labels(axes.get_xticklabels()) == ["bad", "good"]
    header, _ = table(Cells("t", ["save"], columns=columns), STAGES)
    assert header == ("", "as it comes", "made plain")


def test_the_grid_as_words_and_as_table(alt, table):
    words = alt(CELLS, STAGES)
    assert words.startswith("Grid. save: bad works, good works; ")
    assert words.endswith("load: bad UnpicklingError, good works; path: bad fails.")
    header, rows = table(CELLS, STAGES)
    assert header == ("", "bad", "good")
    assert rows[1:] == [("load", "UnpicklingError", "works"), ("path", "fails", "–")]


def test_any_number_of_columns_and_any_text_can_be_fine(drawn, alt):
    tools = Cells("Each finds its own", ["dry run", "profiler"], fine="")
    slow = {"dry run": "–", "profiler": "batch 8"}
    found = {"none": {}, "crash": {"dry run": "batch 1"}, "slow\nloading": slow}
    [axes] = drawn(tools, found).axes
    assert colors(axes) == [GOOD.color, GOOD.color]
    assert labels(axes.texts) == ["–", "batch 1", "–", "–", "–", "batch 8"]
    assert alt(tools, found) == (
        "Grid. dry run: crash batch 1; profiler: slow loading batch 8."
    )
    assert alt(tools, {"none": {}}) == "Grid. dry run: –; profiler: –."


def test_a_grid_of_many_rows_is_taller():
    assert Cells("t", ["a"] * 13).size[1] > Cells("t", ["a"] * 3).size[1] == 2.8


def test_images_stand_side_by_side_in_one_row_per_version(drawn):
    figure = drawn(IMAGES, RESTORED)
    strips = [axes.images[0].get_array() for axes in figure.axes]
    assert [strip.shape for strip in strips] == [(4, 12)] * 3
    for i in range(3):
        part = torch.from_numpy(strips[0][:, 4 * i : 4 * i + 4].filled())
        assert torch.equal(part, ROWS[i, 0])
    names = [axes.get_ylabel() for axes in figure.axes]
    assert names == ["clean", "bad\nmean 0.875", "good\nmean 0.812"]


def test_images_of_three_channels_are_in_colour(drawn):
    colours = torch.rand(2, 3, 4, 5)
    versions = {"one": VersionResult({"mean": 0.5}, extras={"restored": colours})}
    [axes] = drawn(IMAGES, versions).axes
    strip = torch.as_tensor(axes.images[0].get_array())
    assert strip.shape == (4, 10, 3)
    assert torch.equal(strip[:, 5:], colours[1].permute(1, 2, 0))


def test_the_words_and_the_table_of_images_hold_the_scores(alt, table):
    assert alt(IMAGES, RESTORED) == (
        "Rows of images, from top to bottom: clean; bad, mean 0.875; good, mean 0.812."
    )
    scores = [("bad", "0.875"), ("good", "0.812")]
    assert table(IMAGES, RESTORED) == (("", "mean"), scores)


def test_inputs_come_from_the_version_that_has_them(drawn):
    swapped = {"bad": RESTORED["good"], "good": VersionResult(error="E: no")}
    names = [axes.get_ylabel() for axes in drawn(IMAGES, swapped).axes]
    assert names == ["clean", "bad\nmean 0.812"]
