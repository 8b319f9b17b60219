from importlib import resources

import pytest

from course_utils import syllabus
from course_utils.own_code.registry import questions, rules

COURSE = syllabus.load()
# Sections of the source document and how many practices each has.
SOURCE = {
    1: 3, 2: 3, 3: 3, 4: 4, 5: 3, 6: 5, 7: 5, 8: 4, 9: 3, 10: 2, 11: 3, 12: 5, 13: 4
}  # fmt: skip


def test_lessons_1_to_13_hold_the_47_practices_of_the_source_in_order():
    ids = [p.id for lesson in COURSE.lessons[1:14] for p in lesson.practices]
    assert ids == [f"{s}.{i}" for s, n in SOURCE.items() for i in range(1, n + 1)]
    assert len(ids) == 47


def test_every_practice_lies_in_the_lesson_of_its_section():
    for lesson in COURSE.lessons:
        for practice in lesson.practices:
            assert practice.id.split(".")[0] == str(int(lesson.id))


def test_lessons_are_numbered_in_order_and_named_after_their_number():
    assert [lesson.id for lesson in COURSE.lessons] == [f"{i:02}" for i in range(16)]
    assert all(each.file.startswith(f"{each.id}_") for each in COURSE.lessons)
    assert all(each.title and each.promise for each in COURSE.lessons)


def test_a_written_practice_has_its_prediction_and_its_exercise():
    written = [p for lesson in COURSE.ready for p in lesson.practices]
    assert written
    for practice in written:
        assert len(set(practice.options)) == len(practice.options) >= 2, practice.id
        assert practice.answer in practice.options, practice.id
        assert practice.exercise, practice.id
        assert practice.difficulty in (1, 2, 3), practice.id
        assert practice.minutes > 0, practice.id


def test_the_answers_are_not_all_the_same_letter():
    answers = [p.answer for lesson in COURSE.ready for p in lesson.practices]
    assert len(set(answers)) > 1


def test_the_exercise_minutes_of_a_lesson_are_the_sum_of_its_exercises():
    with_practices = [lesson for lesson in COURSE.ready if lesson.practices]
    for lesson in with_practices:
        minutes = sum(practice.minutes for practice in lesson.practices)
        assert lesson.exercise_minutes == minutes, lesson.id


def test_a_written_lesson_has_all_its_budgets():
    for lesson in COURSE.ready:
        assert min(lesson.seconds, lesson.solution_seconds, lesson.megabytes) > 0


def test_every_lesson_is_written():
    # So the checks of ready lessons (a bad and a good version, a claim, an exercise
    # for each practice) cover all 47.
    assert COURSE.ready == COURSE.lessons


@pytest.mark.parametrize(
    "name", [12, "12", "12_common_pitfalls", "12_common_pitfalls.ipynb"]
)
def test_a_lesson_answers_to_its_number_and_its_file(name):
    assert COURSE.lesson(name).id == "12"


@pytest.mark.parametrize("name", [0, "0", "00", "00_start_here.py"])
def test_the_start_page_is_lesson_zero(name):
    assert COURSE.lesson(name).file == "00_start_here"


@pytest.mark.parametrize("name", ["16", "", "twelve", -1])
def test_an_unknown_lesson_is_answered_with_the_known_ones(name):
    with pytest.raises(ValueError, match="Expected a lesson from 00 to 15 but got"):
        COURSE.lesson(name)


@pytest.mark.parametrize("name", ["99.1", "", 12, "12"])
def test_an_unknown_practice_is_answered_with_the_known_ones(name):
    with pytest.raises(
        ValueError, match=r"Expected a practice from 0\.1 to .* but got"
    ):
        COURSE.practice(name)


def test_a_near_miss_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"got '12\.11'\. Did you mean 12\.1\?"):
        COURSE.practice("12.11")


def test_a_practice_finds_its_lesson():
    assert COURSE.practice("12.5").id == "12.5"
    assert COURSE.lesson_of("12.5").id == "12"
    with pytest.raises(ValueError, match="Expected a practice"):
        COURSE.lesson_of("12.6")


def test_the_table_is_read_from_the_package():
    text = resources.files("course_utils").joinpath("syllabus.toml").read_text("utf-8")
    assert text.count("[[lessons]]") == len(COURSE.lessons)


def test_each_practice_says_how_other_code_is_checked_for_it():
    practices = [p for lesson in COURSE.lessons for p in lesson.practices]
    for practice in practices:
        assert practice.checked in ("read", "run", "both", "person"), practice.id
        assert bool(practice.checked_why) == (practice.checked == "person")


def test_what_is_read_and_run_is_what_rules_and_questions_ask():
    practices = [p for lesson in COURSE.lessons for p in lesson.practices]
    read = {p.id for p in practices if p.checked in ("read", "both")}
    run = {p.id for p in practices if p.checked in ("run", "both")}
    assert read == {rule.practice for rule in rules()} - {"imports"}
    assert run == {question.practice for question in questions()}
