"""Headings, minutes and counts in the prose are those of the course."""

from pathlib import Path

import pytest

from course_utils import syllabus
from course_utils.capstone.symptoms import SYMPTOMS

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


def prose(path: str) -> str:
    lines = (ROOT / path).read_text("utf-8").splitlines()
    return " ".join(line.removeprefix("# ") for line in lines)


def test_the_start_page_names_as_many_practices_as_there_are():
    practices = sum(len(each.practices) for each in syllabus.load().lessons[1:])
    assert f"Each of its {practices} practices is" in prose(
        "notebooks/00_start_here.py"
    )


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("README.md", "with {} silent faults"),
        ("src/course_utils/syllabus.toml", "repair {} bad practices"),
        ("notebooks/14_capstone.py", "looks for {} symptoms"),
    ],
)
def test_the_capstone_has_as_many_faults_as_the_prose_says(path, sentence):
    word = {15: "fifteen", 16: "sixteen", 17: "seventeen"}[len(SYMPTOMS)]
    assert sentence.format(word) in prose(path)
