"""The published record is of the lessons that are there, and its page is in step."""

import json
import re
from pathlib import Path

import pytest

from course_utils import syllabus
from course_utils.authoring.evidence import confidence, page, store
from course_utils.authoring.evidence.tasks import code_digest
from course_utils.experiments.confidence import TABLE

ROOT = Path(__file__).parents[3]
RECORDS = "src/course_utils/records"
FOLDER = ROOT / RECORDS
CLAIMING = [lesson for lesson in syllabus.load().ready if lesson.practices]
OUTCOMES = store.read(FOLDER / store.NAME)
# At least so many, from 0 on.
SEEDS = {
    **{"embedded": 30, "fashion-mnist": 10, "cifar10": 5},
    **{"fashion-mnist:all": 1, "cifar10:all": 1},
}
REMEDY = "run `make evidence`"


def _notebook(lesson):
    path = ROOT / "notebooks" / f"{lesson.file}.ipynb"
    return json.loads(path.read_text("utf-8"))


def _runs(lesson, data):
    return [
        each
        for each in OUTCOMES
        if (each.task.lesson, each.task.data) == (lesson.id, data)
    ]


def test_every_practice_has_a_claim_and_every_claim_held_in_every_run():
    broken = [
        (run.task, claim.text)
        for run in OUTCOMES
        for claim in run.claims
        if not claim.holds
    ]
    assert not broken
    assert not [run.failure for run in OUTCOMES if run.failure]
    practices = {claim.practice for run in OUTCOMES for claim in run.claims}
    assert practices == {p.id for lesson in CLAIMING for p in lesson.practices}


@pytest.mark.parametrize("data", SEEDS)
@pytest.mark.parametrize("lesson", CLAIMING, ids=lambda each: each.id)
def test_every_lesson_was_run_under_every_seed(lesson, data):
    found = sorted(run.task.seed for run in _runs(lesson, data))
    assert found[: SEEDS[data]] == list(range(SEEDS[data])), REMEDY


@pytest.mark.parametrize("lesson", CLAIMING, ids=lambda each: each.id)
def test_the_record_is_of_the_code_that_the_lesson_has_now(lesson):
    now = code_digest(_notebook(lesson))
    runs = [run for run in OUTCOMES if run.task.lesson == lesson.id]
    assert {run.task.code for run in runs} == {now}, REMEDY


@pytest.mark.parametrize("lesson", CLAIMING, ids=lambda each: each.id)
def test_every_run_made_the_claims_that_the_notebook_shows(lesson):
    shown = [
        line.removeprefix("✓ ")
        for cell in _notebook(lesson)["cells"]
        for output in cell.get("outputs", [])
        for line in "".join(output.get("text", [])).replace("\n  ", " ").splitlines()
        if re.match(r"[✓✗] \d+\.\d ", line)
    ]
    for run in OUTCOMES:
        if run.task.lesson == lesson.id:
            made = [f"{claim.practice} {claim.text}" for claim in run.claims]
            assert made == shown


def test_the_page_names_the_lessons_with_fewer_seeds():
    text = (FOLDER / page.NAME).read_text("utf-8")
    named = re.findall(r"^- lesson (\d\d): \d+ of \d+$", text, re.MULTILINE)
    counts = {each.id: len(_runs(each, "embedded")) for each in CLAIMING}
    top = max(counts.values())
    assert named == [each for each, count in counts.items() if count < top]


def test_every_thin_claim_is_explained_and_no_other():
    text = (FOLDER / page.NAME).read_text("utf-8")
    [_, rest] = text.split("Claims that hold with a thin margin")
    thin = re.findall(r"^- (\d+\.\d .*)$", rest.split("\n| ")[0], re.MULTILINE)
    reasons = page.thin_reasons()
    assert thin == [f"{name}. *{reasons.get(name)}*" for name in reasons]


def test_the_page_shows_the_record():
    assert (FOLDER / page.NAME).read_text("utf-8") == page.page(OUTCOMES)


def test_the_table_that_lessons_read_shows_the_record():
    assert (FOLDER / TABLE).read_text("utf-8") == confidence.to_text(OUTCOMES)


@pytest.mark.parametrize("lesson", CLAIMING, ids=lambda each: each.id)
def test_a_lesson_links_to_its_rows(lesson):
    text = (ROOT / "notebooks" / f"{lesson.file}.py").read_text("utf-8")
    link = f"(../{RECORDS}/{page.NAME}#lesson-{lesson.id})"
    assert link in text
    assert f'<a id="lesson-{lesson.id}"></a>' in page.page(OUTCOMES)


@pytest.mark.parametrize("lesson", CLAIMING, ids=lambda each: each.id)
def test_every_contrast_of_numbers_says_how_sure_we_are(lesson):
    text = "".join(
        "".join(output.get("text", []))
        for cell in _notebook(lesson)["cells"]
        if "contrast" in cell["metadata"].get("tags", [])
        for output in cell["outputs"]
    )
    runs = len(_runs(lesson, "embedded"))
    paired = {pair.practice for run in OUTCOMES for pair in run.pairs}
    told = [each.id for each in lesson.practices if each.id in paired]
    assert text.count(f"How sure? Over {runs} seeds, ") == len(told)
    assert len(told) >= len(lesson.practices) - 1  # 13.2 compares no numbers


def test_readme_links_to_the_page():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"({RECORDS}/{page.NAME})" in readme
