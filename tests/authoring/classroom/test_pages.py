"""The instructor's pages: whole, linked to what is there, and made of the lessons."""

import re

import pytest

from course_utils import syllabus
from course_utils.authoring.classroom import write_pages
from course_utils.authoring.classroom.sections import ROOT

LESSONS = syllabus.load().lessons
PRACTICES = sum(len(lesson.practices) for lesson in LESSONS)


@pytest.fixture(scope="module")
def teaching(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_pages(folder)
    return folder / "teaching"


def test_there_is_a_page_per_lesson_an_overview_and_a_sheet(teaching):
    pages = {f"lesson_{lesson.id}.md" for lesson in LESSONS} | {"index.md", "sheet.md"}
    assert {path.name for path in teaching.iterdir()} == pages


def test_links_lead_to_lessons_solutions_decks_and_pages(teaching):
    decks = {f"../slides/{lesson.id}.html" for lesson in LESSONS}
    for page in teaching.iterdir():
        text = page.read_text("utf-8")
        for link in {*re.findall(r"\]\(([^)]+)\)", text)} - {"../sizing.md"}:
            place = teaching if "/" not in link else ROOT / "teaching"
            assert (place / link).resolve().exists(), (page.name, link)
        found = {*re.findall(r'<a href="([^"]+)"', text)}
        assert found <= decks | {"../slides/sheet.html"}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda each: each.id)
def test_a_page_marks_each_answer_once(lesson, teaching):
    text = (teaching / f"lesson_{lesson.id}.md").read_text("utf-8")
    marked = re.findall(r"^- \*\*([a-d])\*\* .*← right", text, re.MULTILINE)
    assert marked == [practice.answer for practice in lesson.practices]
    assert text.count("sounds right, because") == len(lesson.practices)
    assert text.count("| The checker says |") == len(lesson.practices)
    assert text.count("# ") >= 3


def test_no_name_between_underscores_turns_bold(teaching):
    for page in teaching.iterdir():
        prose = re.sub("`[^`]+`", "", page.read_text("utf-8"))
        assert "__" not in prose, page.name


def test_the_capstone_names_its_sixteen_practices(teaching):
    text = (teaching / "lesson_14.md").read_text("utf-8")
    rows = re.findall(r"^\| (?:data|model|training|evaluation) \|", text, re.MULTILINE)
    assert len(rows) == 16


def test_lesson_15_names_its_four_faults_and_the_finding_that_is_none(teaching):
    text = (teaching / "lesson_15.md").read_text("utf-8")
    found = r"^\| (reading|running)(, and it is not one)? \| (\S+) "
    rows = re.findall(found, text, re.M)
    assert [practice for *_, practice in rows] == ["4.2", "10.1", "2.1", "12.5", "12.4"]
    assert [bool(none) for _, none, _ in rows] == [False] * 4 + [True]


def test_the_overview_has_three_timetables_and_no_empty_part(teaching):
    text = (teaching / "index.md").read_text("utf-8")
    assert re.findall("^### (.+)$", text, re.MULTILINE)[:3] == [
        "Half a day",
        "One day",
        "Two days",
    ]
    assert len(re.findall(r"^\| \d\d:\d\d \| \| end \|$", text, re.MULTILINE)) == 4
    assert not re.search(r"start -->\s*<!--", text)


def test_the_sheet_holds_every_practice_with_a_symptom(teaching):
    text = (teaching / "sheet.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+\.\d) \| .+ \| .{10,} \|$", text, re.MULTILINE)
    assert len(rows) == PRACTICES
