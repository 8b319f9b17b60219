"""One panel per version: what they draw, say and list."""

from course_utils.experiments.plots import Panels, PredictedVsTrue

PANELS = Panels("Falls", ["seen", "truth"], "epoch", "loss (nats)", "all", "it ends")
GOOD = {"seen": (3.0, 2.0, 1.0), "truth": (3.0, 2.5, 1.5), "all": (3.0,) * 6}
BOTH = {
    "bad": {"seen": (2.0, 1.0), "truth": (3.0, 4.0), "all": (5.0, 4.0, 3.0, 2.0)},
    "good": GOOD,
}
HALF = {"bad": {}, "good": GOOD}
ANSWERS = PredictedVsTrue("Flat", "digit", "answer", "digit", "answer (a number)")
CASES = {
    "bad": {"digit": (0.0, 1.0, 1.0), "answer": (4.0, 4.0, 5.0)},
    "good": {"digit": (0.0, 1.0, 1.0), "answer": (0.5, 1.0, 1.5)},
}


def test_each_curve_has_its_own_color_and_marker(drawn):
    cloud, seen, truth, _ = drawn(PANELS, BOTH).axes[0].lines
    assert list(seen.get_xdata()) == [1, 2]
    assert list(truth.get_ydata()) == [3.0, 4.0]
    assert seen.get_color() != truth.get_color()
    assert seen.get_marker() != truth.get_marker()
    assert list(cloud.get_xdata()) == [0.5, 1.0, 1.5, 2.0]


def test_the_end_is_marked_where_the_curves_end(drawn):
    ends = [axes.lines[-1].get_xdata()[0] for axes in drawn(PANELS, BOTH).axes]
    assert ends == [2, 3]


def test_axes_are_named_and_scales_shared(drawn):
    bad, good = drawn(PANELS, BOTH).axes
    assert bad.get_ylabel() == "loss (nats)"
    assert [axes.get_xlabel() for axes in (bad, good)] == ["epoch", "epoch"]
    assert [axes.get_title() for axes in (bad, good)] == ["bad", "good"]
    assert bad.get_xlim() == good.get_xlim()
    assert bad.get_ylim() == good.get_ylim()


def test_the_legend_names_every_kind_of_mark_once(legend):
    for versions in (BOTH, HALF):
        assert sorted(legend(PANELS, versions)) == ["all", "it ends", "seen", "truth"]


def test_the_words_say_where_each_curve_goes(alt):
    assert alt(PANELS, BOTH) == (
        "Two line charts of loss (nats) over epoch. "
        "bad, up to epoch 2.000: seen goes from 2.000 to 1.000, "
        "truth goes from 3.000 to 4.000; "
        "good, up to epoch 3.000: seen goes from 3.000 to 1.000, "
        "truth goes from 3.000 to 1.500."
    )


def test_the_table_has_one_row_per_curve(table):
    header, rows = table(PANELS, BOTH)
    assert header == ("", "up to epoch", "first", "lowest", "highest", "last")
    assert rows[0] == ("bad: seen", "2.000", "2.000", "1.000", "2.000", "1.000")
    names = ["bad: seen", "bad: truth", "good: seen", "good: truth"]
    assert [row[0] for row in rows] == names


def test_a_version_that_stopped_has_no_curve(drawn, alt):
    bad, _ = drawn(PANELS, HALF).axes
    assert [text.get_text() for text in bad.texts] == ["no curve"]
    assert "bad, up to epoch 0.000: seen has no curve" in alt(PANELS, HALF)


def test_a_panel_holds_the_answers_the_diagonal_and_the_means(drawn):
    cloud, diagonal, means = drawn(ANSWERS, CASES).axes[0].lines
    assert list(cloud.get_ydata()) == [4.0, 4.0, 5.0]
    assert [round(place) for place in cloud.get_xdata()] == [0, 1, 1]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0.0, 1.0]
    assert list(means.get_ydata()) == [4.0, 4.5]


def test_means_of_two_versions_differ_in_color_and_in_marker(drawn, legend):
    bad, good = (axes.lines[2] for axes in drawn(ANSWERS, CASES).axes)
    assert bad.get_color() != good.get_color()
    assert bad.get_marker() != good.get_marker()
    assert legend(ANSWERS, CASES) == ["right answers", "mean, bad", "mean, good"]


def test_the_words_tell_where_the_mean_answers_go(alt):
    assert alt(ANSWERS, CASES) == (
        "answer (a number) over digit. bad: mean answers go from 4.000 to 4.500; "
        "good: mean answers go from 0.500 to 1.250."
    )


def test_the_table_has_one_row_per_true_value_and_a_stopped_version_a_dash(
    drawn, table
):
    header, rows = table(ANSWERS, CASES)
    assert header == ("digit", "mean, bad", "mean, good")
    assert rows == [("0", "4.000", "0.500"), ("1", "4.500", "1.250")]
    stopped = CASES | {"bad": {}}
    assert table(ANSWERS, stopped)[1][0] == ("0", "–", "0.500")
    [text] = drawn(ANSWERS, stopped).axes[0].texts
    assert text.get_text() == "no answers"
