import math
import re

import pytest

from course_utils.experiments.result import Contrast, Measured, VersionResult
from course_utils.formatting import decimal, html_table, text_table

# The one rule of tests/nbval_sanitize.cfg: what has a decimal point is a measurement.
MEASUREMENT = re.compile(r"-?\d+\.\d+(e[-+]\d+)?")


@pytest.mark.parametrize(
    "value",
    [1e-7, 1e9, 123456789.0, 0.0, -0.0, 2.0, -3.5, 99.9999, 9.99e-4, 1e300, -1e-12],
)
def test_a_measurement_always_has_a_decimal_point(value):
    assert MEASUREMENT.fullmatch(decimal(value))
    assert float(decimal(value)) == pytest.approx(value, rel=0.06)


def test_nan_and_inf_are_words():
    assert [decimal(v) for v in (math.nan, math.inf, -math.inf)] == [
        "nan",
        "inf",
        "-inf",
    ]


def test_zero_has_no_sign():
    assert decimal(-0.0) == decimal(0.0) == "0.000"


def test_no_measurement_is_longer_than_a_column():
    assert max(len(decimal(10.0**power)) for power in range(-300, 300)) <= 11


def sides(bad, good):
    return Contrast("12.1", VersionResult(bad), VersionResult(good))


def test_whole_numbers_stay_whole_and_measurements_do_not_become_whole():
    rows = sides({"steps": 250, "loss": 2.0}, {"steps": 0, "loss": 1e-7}).rows()
    assert rows == [("steps", "250", "0"), ("loss", "2.000", "1.0e-07")]


def test_truth_is_answered_by_yes_or_no():
    assert sides({"same": True}, {"same": False}).rows() == [("same", "yes", "no")]


def test_a_curve_is_not_in_the_table():
    assert sides({"c": (1.0, 2.0), "n": 1}, {"c": (1.0,), "n": 2}).rows() == [
        ("n", "1", "2")
    ]


def test_what_one_side_did_not_measure_is_a_dash():
    assert sides({"a": 1}, {"b": 2}).rows() == [("a", "1", "–"), ("b", "–", "2")]


def test_the_error_is_the_last_row():
    result = Contrast(
        "12.1", VersionResult(error="ValueError: no"), VersionResult({"n": 1})
    )
    assert result.rows() == [("n", "–", "1"), ("stopped by", "ValueError: no", "–")]


def test_text_of_several_lines_stays_in_its_row():
    result = sides({"says": "one\ntwo"}, {"says": "three"})
    assert result.rows() == [("says", "one two", "three")]
    assert len(str(result).splitlines()) == 2


def test_gain_is_good_minus_bad_and_remembers_both():
    gain = sides({"acc": 0.25}, {"acc": 0.75}).gain("acc")
    assert gain == 0.5
    assert (gain.name, gain.bad, gain.good) == ("acc", 0.25, 0.75)
    assert isinstance(gain, Measured)


def test_times_is_how_often_the_good_one_fits_into_the_bad_one():
    assert sides({"s": 6}, {"s": 4}).times("s") == 1.5
    assert math.isnan(sides({"s": 6}, {"s": 0}).times("s"))


def test_a_stopped_side_measures_nan():
    result = Contrast("12.1", VersionResult(error="E: no"), VersionResult({"acc": 0.5}))
    assert math.isnan(result.gain("acc"))
    assert math.isnan(result.gain("whatever the stopped one measures"))
    assert math.isnan(result.bad.number("acc"))


def test_text_and_curves_are_no_number():
    side = VersionResult({"text": "7", "curve": (1.0,), "n": 3, "yes": True})
    assert math.isnan(side.number("text"))
    assert math.isnan(side.number("curve"))
    assert (side.number("n"), side.number("yes")) == (3.0, 1.0)


def test_a_name_that_nobody_measured_lists_the_others():
    with pytest.raises(ValueError, match="out of acc, loss but got 'ac'"):
        sides({"acc": 1, "loss": 2}, {"acc": 1}).gain("ac")
    with pytest.raises(ValueError, match="out of none but got 'ac'"):
        sides({}, {}).times("ac")


def test_columns_are_aligned_and_lines_end_in_no_blank():
    text = text_table(
        ("", "bad", "good"), [("long name", "1", "22"), ("n", "333", "4")]
    )
    assert text == (
        "           bad  good\n"
        "long name  1    22\n"
        "n          333  4"
    )  # fmt: skip


def test_a_table_without_rows_is_its_header():
    assert text_table(("", "bad"), []) == "  bad"


def test_html_is_escaped_and_names_its_rows_and_columns():
    table = html_table(("", "<bad>"), [("a & b", "<script>")])
    assert '<th scope="col">&lt;bad&gt;</th>' in table
    assert '<th scope="row">a &amp; b</th><td>&lt;script&gt;</td>' in table
    assert "<script>" not in table


def test_a_version_gives_its_measurements_by_name():
    result = VersionResult({"f1": 0.5, "fact": 3, "where": "cpu", "curve": (1.0, 2.0)})
    assert result["f1"] + 0.25 == 0.75
    assert VersionResult({"same": True})["same"] is True
    assert (result["fact"], result["where"], result["curve"]) == (3, "cpu", (1.0, 2.0))
    with pytest.raises(ValueError, match="Expected a measurement out of f1, .* 'f2'"):
        result["f2"]


def test_after_an_error_every_measurement_is_nan_and_no_claim_about_it_holds():
    number = VersionResult(error="ValueError: no")["f1"]
    assert not any((number >= 0, number <= 0, number == 0, number > 0, number < 0))


def test_measured_numbers_sort_and_stand_in_sets_like_others():
    numbers = [Measured(2.0), Measured(1.0), Measured(3.0)]
    assert [float(each) for each in sorted(numbers)] == [1.0, 2.0, 3.0]
    assert float(max(numbers)) == 3.0
    assert {Measured(1.0), 1.0} == {1.0}
    assert Measured(1.0) != "1"


def test_headings_and_legends_name_the_versions():
    named = Contrast("12.1", VersionResult(), VersionResult(), ("Sums", "Averages"))
    assert named.headings == ("", "bad: Sums", "good: Averages")
    assert list(named.versions) == ["Sums", "Averages"]
    assert str(Contrast("12.1", VersionResult(), VersionResult())).split() == [
        "bad",
        "good",
    ]
