"""Stacked bars of several quantities: one bar per quantity and version."""

from course_utils.experiments.plots import Stacks

STACKS = Stacks("It halves", ["weights", "saved"], ["conv net", "MLP"], "MB")
STEPS = {
    "four bytes": {"conv net": (1.0, 8.0), "MLP": (7.0, 1.0)},
    "two bytes": {"conv net": (1.0, 4.0), "MLP": (7.0, 2.5)},
}


def test_a_bar_is_stacked_from_the_parts_of_one_measurement(drawn):
    weights, saved = drawn(STACKS, STEPS).axes[0].containers
    assert [bar.get_width() for bar in weights] == [1.0, 1.0, 7.0, 7.0]
    assert [bar.get_x() for bar in saved] == [1.0, 1.0, 7.0, 7.0]
    assert [bar.get_width() for bar in saved] == [8.0, 4.0, 1.0, 2.5]


def test_both_versions_of_a_measurement_stand_together(drawn):
    ticks = drawn(STACKS, STEPS).axes[0].get_yticklabels()
    assert [tick.get_text() for tick in ticks] == [
        "conv net, four bytes",
        "conv net, two bytes",
        "MLP, four bytes",
        "MLP, two bytes",
    ]


def test_words_and_table_hold_every_part(alt, table):
    assert "MLP, two bytes: 9.500 in all, weights 7.000, saved 2.500" in alt(
        STACKS, STEPS
    )
    header, rows = table(STACKS, STEPS)
    assert len(header) == 5
    assert rows[1] == ("saved", "8.000", "4.000", "1.000", "2.500")
