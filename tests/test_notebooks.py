"""Facts about the stored notebooks that nbval cannot see."""

from pathlib import Path

import notebook_checks as checks
import pytest
from nbformat import NotebookNode

from course_utils import syllabus
from course_utils.authoring.notebook_files import read_notebook
from course_utils.authoring.sync import out_of_step

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(ROOT.glob("notebooks/*.py")) + sorted(ROOT.glob("solutions/*.py"))
NOTEBOOKS = [path.with_suffix(".ipynb") for path in SCRIPTS]
LESSONS = [path for path in NOTEBOOKS if path.parent.name == "notebooks"]


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def read(path: Path) -> NotebookNode:
    try:
        return read_notebook(path)
    except ValueError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_a_notebook_is_in_step_with_its_script(path):
    assert out_of_step(path) == ""


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_no_code_hides_under_a_markdown_marker(path):
    assert checks.code_under_markdown(path.read_text("utf-8")) == []


@pytest.mark.parametrize("check", checks.EVERY_NOTEBOOK, ids=lambda c: c.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_has_nothing_of(check, path):
    assert check(read(path)) == []


@pytest.mark.parametrize("check", checks.EVERY_LESSON, ids=lambda c: c.__name__)
@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_a_lesson_has_nothing_of(check, path):
    assert check(read(path)) == []


@pytest.mark.parametrize("lesson", syllabus.load().ready, ids=lambda each: each.file)
def test_a_ready_lesson_has_its_notebook_its_solution_and_its_practices(lesson):
    lesson_path = ROOT / "notebooks" / f"{lesson.file}.ipynb"
    assert lesson_path in LESSONS
    assert ROOT / "solutions" / f"{lesson.file}.ipynb" in NOTEBOOKS
    taught = [practice for practice, _ in checks.practices(read(lesson_path))]
    assert taught == [practice.id for practice in lesson.practices]


def test_no_notebook_lacks_a_script():
    stored = {*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("solutions/*.ipynb")}
    assert stored <= set(NOTEBOOKS)


def test_all_notebooks_share_one_setup_cell():
    setups = {name(path): checks.setup_source(read(path)) for path in NOTEBOOKS}
    assert "" not in setups.values(), setups
    assert len(set(setups.values())) <= 1, setups
