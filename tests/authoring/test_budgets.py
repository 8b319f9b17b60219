"""The record of run times: read, shown, and of the notebooks that are there."""

import json
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from reading_time import STEP, teaching_minutes

from course_utils import syllabus
from course_utils.authoring import budgets
from course_utils.authoring.budgets import RunTime
from course_utils.authoring.pytest_budgets import budget_of
from course_utils.authoring.readme import lesson_table

ROOT = Path(__file__).parents[2]
RECORD = {
    "notebooks": {
        "notebooks/12_common_pitfalls": {
            "start_seconds": 1.5,
            "cell_seconds": [4.0, 6.5],
            "megabytes": 900.0,
        }
    }
}


@pytest.fixture
def recorded(monkeypatch):
    monkeypatch.setattr(budgets, "load", lambda: budgets.parse(RECORD))


def test_seconds_are_those_of_start_and_cells(recorded):
    assert budgets.seconds("12_common_pitfalls") == 12.0
    assert budgets.seconds("11_code_quality") is None
    assert budgets.load()["notebooks/12_common_pitfalls"].megabytes == 900.0


def test_the_lesson_table_shows_it(recorded):
    [row] = [line for line in lesson_table().splitlines() if line.startswith("| 12 ")]
    assert row.endswith("| 12 s |")


def _notebook(words, lines, figures):
    picture = new_output("display_data", data={"image/png": "", "text/plain": ""})
    code = new_code_cell("\n\n".join(["a = 1"] * lines), outputs=[picture] * figures)
    return new_notebook(cells=[new_markdown_cell("word " * words), code])


@pytest.mark.parametrize(
    ("words", "lines", "figures", "seconds", "minutes"),
    [
        (1000, 0, 0, 0, 5),
        (1001, 0, 0, 0, 10),
        (0, 150, 0, 0, 5),
        (0, 0, 10, 0, 5),
        (0, 0, 0, 300, 5),
        (1000, 150, 10, 300, 20),
    ],
)
def test_minutes_by_hand(words, lines, figures, seconds, minutes):
    assert teaching_minutes(_notebook(words, lines, figures), seconds) == minutes


def _tagged(lines, tag):
    metadata = {"tags": [tag]} if tag else {}
    return new_code_cell("\n".join(["a = 1"] * lines), metadata=metadata)


def test_in_a_lesson_that_folds_code_only_what_is_visible_is_read_and_slowly():
    apparatus, visible = _tagged(500, "apparatus"), _tagged(100, "")
    exercise = _tagged(500, "exercise")
    further = [new_markdown_cell("### Going further\n" + "word " * 2000), visible]
    cells = [apparatus, visible, exercise, *further]
    assert teaching_minutes(new_notebook(cells=cells), 0) == 10
    after = [new_markdown_cell("## 1.2 The next practice"), visible]
    assert teaching_minutes(new_notebook(cells=cells + after), 0) == 25


def test_an_address_is_not_read():
    link = new_markdown_cell("[PyTorch](https://docs.pytorch.org/a b c) " * 1000)
    assert teaching_minutes(new_notebook(cells=[link]), 0) == 5


@pytest.mark.parametrize("lesson", syllabus.load().ready, ids=lambda each: each.id)
def test_minutes_of_the_syllabus_follow_from_notebook_and_record(lesson):
    path = ROOT / "notebooks" / f"{lesson.file}.ipynb"
    seconds = budgets.seconds(lesson.file)
    assert seconds is not None, "run `make budgets`"
    notebook = json.loads(path.read_text("utf-8"))
    wanted = teaching_minutes(notebook, seconds)
    # A few words more or less do not change a plan; a section does.
    assert abs(lesson.teaching_minutes - wanted) <= STEP, f"{wanted} minutes"


def test_the_record_holds_every_notebook_that_is_there():
    there = {
        f"{folder}/{lesson.file}"
        for folder in ("notebooks", "solutions")
        for lesson in syllabus.load().ready
    }
    assert budgets.load().keys() == there


@pytest.mark.parametrize("name", budgets.load())
def test_what_is_recorded_is_within_its_budget(name):
    recorded, granted = budgets.load()[name], budget_of(ROOT / f"{name}.ipynb")
    assert recorded.seconds <= granted.seconds
    assert recorded.megabytes <= granted.megabytes


@pytest.mark.parametrize("lesson", syllabus.load().ready, ids=lambda each: each.id)
def test_the_first_result_comes_within_three_times_the_imports(lesson):
    found = budgets.load()[f"notebooks/{lesson.file}"]
    assert _first_result(lesson, found) <= 3 * (
        found.start_seconds + found.cell_seconds[0]
    )


def _first_result(lesson: syllabus.Lesson, found: RunTime) -> float:
    """Return the seconds until something that was measured is on the screen.

    In a lesson that is the first figure, in the capstone what the script prints.
    """
    path = ROOT / "notebooks" / f"{lesson.file}.ipynb"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    outputs = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    for place, shown in enumerate(outputs):
        figures = ["image/png" in each.get("data", {}) for each in shown]
        printed = not lesson.practices and place > 0 and shown
        if any(figures) or printed:
            return found.start_seconds + sum(found.cell_seconds[: place + 1])
    raise AssertionError(f"{lesson.file} shows no result")
