"""Headings of lessons and solutions are those of the syllabus."""

from pathlib import Path

import pytest

from course_utils import syllabus

ROOT = Path(__file__).parent.parent
PRACTICES = [(le, p) for le in syllabus.load().ready for p in le.practices]


@pytest.mark.parametrize(("lesson", "practice"), PRACTICES, ids=lambda each: each.id)
def test_headings_are_those_of_the_syllabus(lesson, practice):
    text = (ROOT / "notebooks" / f"{lesson.file}.py").read_text("utf-8")
    assert f"# ## {practice.id} {practice.title}\n" in text
    assert f"# ### Your turn · {practice.exercise}\n" in text


@pytest.mark.parametrize(("lesson", "practice"), PRACTICES, ids=lambda each: each.id)
def test_a_solution_has_the_title_of_its_exercise(lesson, practice):
    text = (ROOT / "solutions" / f"{lesson.file}.py").read_text("utf-8")
    assert f"# ## {practice.id} {practice.exercise}\n" in text


@pytest.mark.parametrize(("lesson", "practice"), PRACTICES, ids=lambda each: each.id)
def test_minutes_beside_an_exercise_are_those_of_the_syllabus(lesson, practice):
    text = (ROOT / "notebooks" / f"{lesson.file}.py").read_text("utf-8")
    section = text.split(f"# ## {practice.id} ")[1].split("\n# ## ")[0]
    assert f"{practice.minutes} minutes)*" in section
