import pytest

from course_utils import syllabus
from course_utils.authoring.classroom.agenda import RESTS, WORK, Hours, days, fitting
from course_utils.syllabus import Lesson

COURSE = syllabus.load().lessons
LENGTHS = {"half a day": (Hours.half(), 1), "a day": (Hours(), 1), "two": (Hours(), 2)}


def lesson(number, teaching, exercises):
    return Lesson(number, f"{number}_x", "Title", "promise", teaching, exercises, ())


def times(day):
    return [(each.clock, each.minutes, each.what, each.part) for each in day]


def test_a_morning_by_hand():
    lessons = [lesson("05", 30, 24), lesson("06", 30, 36)]
    [day] = days(lessons, Hours(pause=10))
    assert times(day) == [
        ("09:00", 30, "05 Title", "experiments"),
        ("09:30", 24, "05 Title", "exercises"),
        ("09:54", 30, "06 Title", "experiments"),
        ("10:24", 10, "break", ""),
        ("10:34", 36, "06 Title", "exercises"),
    ]


def test_lunch_takes_the_place_of_a_break_that_is_due_shortly_before_noon():
    [day] = days([lesson("05", 80, 75), lesson("06", 20, 30)], Hours(pause=10))
    assert times(day)[1:4] == [
        ("10:20", 10, "break", ""),
        ("10:30", 75, "05 Title", "exercises"),
        ("11:45", 60, "lunch", ""),
    ]


def test_a_day_that_begins_after_noon_has_no_lunch():
    [day] = days([lesson("05", 60, 60)], Hours(start=13 * 60))
    assert [slot.what for slot in day if slot.what in RESTS] == ["break"]


def test_what_would_end_too_late_moves_to_the_next_day():
    hours = Hours(9 * 60, 10 * 60, lunch=0)
    plan = days([lesson("05", 30, 20), lesson("06", 30, 20)], hours)
    assert [times(day)[0][:3] for day in plan] == [
        ("09:00", 30, "05 Title"),
        ("09:00", 30, "06 Title"),
    ]


def test_a_lesson_longer_than_a_day_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="holds lesson 06, 115 minutes .* but got 100"):
        days([lesson("05", 50, 30), lesson("06", 50, 50)], Hours(0, 100))


def test_without_pauses_there_are_no_breaks():
    [day] = days([lesson("05", 80, 80)], Hours(pause=0))
    assert [slot.what for slot in day] == ["05 Title"] * 2


@pytest.mark.parametrize(("hours", "count"), LENGTHS.values(), ids=LENGTHS)
def test_the_course_is_never_taught_past_the_end_or_without_breaks(hours, count):
    taken, left = fitting(COURSE, hours, count)
    plan = days(taken, hours)
    assert len(plan) <= count
    assert {*taken, *left} == {*COURSE}
    for day in plan:
        assert day[-1].end <= hours.end
        assert [each.start for each in day[1:]] == [each.end for each in day[:-1]]
        worked = 0
        for slot in day:
            worked = 0 if slot.what in RESTS else worked + slot.minutes
            assert worked <= WORK
        assert any(slot.what == "lunch" for slot in day) == bool(hours.lunch)


def test_every_minute_of_the_syllabus_is_taught_once():
    plan = days(COURSE, Hours())
    taught = sum(s.minutes for day in plan for s in day if s.what not in RESTS)
    assert taught == sum(le.teaching_minutes + le.exercise_minutes for le in COURSE)


def test_a_longer_class_keeps_what_a_shorter_one_teaches_first():
    half, day, two = (fitting(COURSE, *each)[0] for each in LENGTHS.values())
    assert [each.id for each in half] == ["00", "03", "09", "12"]
    assert {*half} < {*day} < {*two}
