import re

import pytest
from command_line import course_says, sentence

CLOCK = re.compile(r"\d\d:\d\d")


def rows(result):
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines() if CLOCK.search(line)]


def test_the_command_shows_the_chosen_lessons(course):
    said = course_says("schedule", "1", "2", "--start", "13:30", "--break", "20")
    assert rows(said) == [
        ["13:30", "20", "01", "Tiny", "experiments"],
        ["13:50", "30", "01", "Tiny", "exercises"],
        ["14:20", "20", "02", "Tiny", "experiments"],
        ["14:40", "20", "break"],
        ["15:00", "30", "02", "Tiny", "exercises"],
        ["15:30", "end"],
    ]


def test_lessons_without_a_number_of_days_take_as_many_as_they_need(course):
    said = rows(course_says("schedule", "1", "2", "--start", "10:00", "--end", "11:00"))
    assert [row[:3] for row in said if row[0] == "day"] == [
        ["day", "1", "10:00"],
        ["day", "2", "10:00"],
    ]


def test_what_does_not_fit_is_left_to_read_alone(course):
    said = course_says("schedule", "--days", "1", "--end", "10:00")
    assert {row[2] for row in rows(said)[:-1]} == {"00"}
    assert "To read alone: 01, 02 (100 minutes)." in said.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--start", "nine"], "a time such as 9:00 but got 'nine'"),
        (["--start", "25:00"], "from 0:00 to 23:59"),
        (["--end", "8:00"], "Expected --end to be later than 9:00 but got 8:00."),
        (["--days", "0"], "half, 1, 2 or another number but got '0'"),
        (["--days", "long"], "half, 1, 2 or another number but got 'long'"),
        (["--days", "half", "--start", "21:00"], "at most 20:00 but got 21:00"),
        (["--days", "1", "--end", "9:10"], "at least one lesson but none fits"),
        (["1", "--end", "9:10"], "a day that holds lesson 01, 50 minutes"),
    ],
)
def test_a_wrong_option_is_one_sentence(course, arguments, part):
    assert part in sentence(course_says("schedule", *arguments), 2)
