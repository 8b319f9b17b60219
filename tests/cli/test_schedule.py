import pytest
from command_line import course_says, sentence

from course_utils.cli.schedule import Slot, slots
from course_utils.syllabus import Lesson


def lesson(number, teaching, exercises):
    return Lesson(number, f"{number}_x", "Title", "promise", teaching, exercises, ())


def test_a_day_by_hand():
    lessons = [lesson("05", 30, 24), lesson("06", 30, 36)]
    found = list(slots(lessons, 9 * 60, 10))
    assert [(each.clock, each.minutes, each.what, each.part) for each in found] == [
        ("09:00", 30, "05 Title", "experiments"),
        ("09:30", 24, "05 Title", "exercises"),
        ("09:54", 10, "break", ""),
        ("10:04", 30, "06 Title", "experiments"),
        ("10:34", 36, "06 Title", "exercises"),
        ("11:10", 0, "end", ""),
    ]


def test_a_break_of_no_minutes_is_left_out():
    found = list(slots([lesson("05", 1, 1), lesson("06", 1, 1)], 0, 0))
    assert "break" not in [each.what for each in found]


def test_the_clock_begins_again_at_midnight():
    assert Slot(24 * 60 + 5, 1, "late").clock == "00:05"


def test_the_command_shows_the_chosen_lessons(course):
    result = course_says("schedule", "1", "2", "--start", "13:30", "--break", "15")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if ":" in line]
    assert rows == [
        ["13:30", "20", "01", "Tiny", "experiments"],
        ["13:50", "30", "01", "Tiny", "exercises"],
        ["14:20", "15", "break"],
        ["14:35", "20", "02", "Tiny", "experiments"],
        ["14:55", "30", "02", "Tiny", "exercises"],
        ["15:25", "end"],
    ]


@pytest.mark.parametrize(
    ("start", "part"),
    [("nine", "a time such as 9:00 but got 'nine'"), ("25:00", "from 0:00 to 23:59")],
)
def test_a_wrong_time_is_one_sentence(course, start, part):
    assert part in sentence(course_says("schedule", "--start", start), 2)
