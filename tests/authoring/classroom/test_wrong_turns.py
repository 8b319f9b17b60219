"""Wrong turns are the wrong answers of the tests, by the message they get."""

import pytest

from course_utils import syllabus
from course_utils.authoring.classroom import wrong_turns as module
from course_utils.authoring.classroom.wrong_turns import SHOWN, WrongTurn, wrong_turns

LESSONS = syllabus.load().lessons


def test_cases_are_read_in_both_ways_of_writing_them():
    names = ("practice", "source", "message")

    @pytest.mark.parametrize(
        names, [pytest.param("1.1", "code", "No.", id="1.1 forgets")]
    )
    def one(): ...

    @pytest.mark.parametrize(names, [("1.1", "code", "No.")], ids=["1.1 forgets"])
    def other(): ...

    for tests in (one, other):
        found = module._cases({"test_a_wrong_answer_is_told_its_mistake": tests})
        assert found == [("1.1", "forgets", "No.")]


def test_the_beginning_of_a_message_counts_as_the_whole():
    both = {"No.": ["a"], "No. Return": ["b"], "Yes.": ["c"]}
    assert module._merged(both) == {"No. Return": ["b", "a"], "Yes.": ["c"]}


def test_the_commonest_comes_first_then_whole_sentences():
    found = {"a part": ["1"], "Whole.": ["2"], "twice": ["3", "4"]}
    assert [each.message for each in module._commonest(found)] == [
        "twice",
        "Whole.",
        "a part",
    ]


def test_dots_stand_where_a_checker_says_more():
    assert str(WrongTurn("is 3; it is 4", ())) == "…is 3; it is 4…"
    assert str(WrongTurn("It is 3.", ())) == "It is 3."


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda each: each.id)
def test_every_practice_has_wrong_turns(lesson):
    found = wrong_turns(lesson)
    assert list(found) == [practice.id for practice in lesson.practices]
    for turns in found.values():
        assert 2 <= len(turns) <= SHOWN
        names = [name for turn in turns for name in turn.answers]
        assert not [name for name in names if "renamed" in name or "cosmetic" in name]
