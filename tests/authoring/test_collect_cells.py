"""Starters and solutions are typed once, in the notebooks."""

from pathlib import Path

import pytest

from course_utils import syllabus
from course_utils.authoring import collect_cells
from course_utils.exercises import cells
from course_utils.syllabus import Lesson, Practice, Syllabus

ROOT = Path(__file__).parents[2]
PRACTICE = Practice("3.1", "Title", ("a",), "a", "Exercise", 1, 5)


def script(tag: str, *sources: str) -> str:
    parts = [f'# %% tags=["{tag}"]\n{source}\n' for source in sources]
    return "\n".join(["# %%\nimport torch\n", *parts])


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Return the folder of a course with one practice, both cells in place."""
    lesson = Lesson("03", "topic", "Topic", "do", 1, 1, (PRACTICE,), seconds=1)
    monkeypatch.setattr(syllabus, "load", lambda: Syllabus((lesson,)))
    for folder, tag in (("notebooks", "exercise"), ("solutions", "solution")):
        (tmp_path / folder).mkdir()
        text = script(tag, f"# {folder}")
        (tmp_path / folder / f"{lesson.file}.py").write_text(text)
    return tmp_path


def test_the_record_holds_what_the_notebooks_hold_now():
    now = collect_cells.to_text(collect_cells.collect(ROOT))
    assert (ROOT / collect_cells.RECORD).read_text("utf-8") == now, "run `make sync`"


def test_the_helpers_read_back_what_was_collected():
    assert cells.load() == collect_cells.collect(ROOT)


def test_each_practice_gets_its_two_cells(course):
    found = collect_cells.collect(course)
    assert found == {"3.1": cells.Cells("# notebooks", "# solutions")}


@pytest.mark.parametrize("sources", [(), ("a = 1", "a = 2")])
def test_a_cell_too_few_or_too_many_is_named(course, sources):
    path = next(course.glob("solutions/*.py"))
    path.write_text(script("solution", *sources))
    with pytest.raises(ValueError, match=f"tagged 'solution' .* got {len(sources)}"):
        collect_cells.collect(course)
