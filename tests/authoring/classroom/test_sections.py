"""A lesson is taken apart into what its practices promise to hold."""

import pytest

from course_utils import syllabus
from course_utils.authoring.classroom import sections as module
from course_utils.authoring.classroom.sections import sections

LESSONS = syllabus.load().lessons


def test_what_the_libraries_said_becomes_a_list():
    printed = (
        "Bad:\n    Lightning says: x\n      and y\nGood: no.\nThe answer is c. You ..."
    )
    assert module._said(printed) == "- Bad:\n    - Lightning says: x and y\n- Good: no."


def test_a_claim_is_whole_also_if_it_was_printed_in_several_lines():
    printed = "a line\n✓ 1.2 one holds\n✓ 1.2 two\n  holds\n  too\nan end\n"
    assert module._claims(printed) == ("one holds", "two holds too")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda each: each.id)
def test_every_practice_has_all_its_parts(lesson):
    found = sections(lesson)
    assert [each.practice for each in found] == list(lesson.practices)
    for each in found:
        assert tuple(each.options) == each.practice.options
        assert each.claims
        assert "Lightning says" in each.said
        assert each.table.startswith("<table>")
        for text in (each.question, each.bad, each.good, each.why, each.exception):
            assert len(text) > 20, each.practice.id
            assert "](" not in text


def test_code_that_a_question_is_about_is_given():
    given = {
        each.practice.id: each.given for each in sections(syllabus.load().lesson("6"))
    }
    assert [practice for practice, code in given.items() if code] == ["6.3", "6.4"]
    assert given["6.4"].count("class ") == 4


def test_a_figure_is_titled_by_its_finding():
    figure = sections(syllabus.load().lesson("12"))[0].figure
    assert figure.png.startswith(b"\x89PNG")
    assert figure.title.endswith("stays at ln 10, the loss of guessing")
