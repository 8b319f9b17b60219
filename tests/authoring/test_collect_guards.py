"""A guard is typed once, in its lesson's notebook."""

import ast
from pathlib import Path

import pytest

from course_utils import syllabus
from course_utils.authoring import collect_guards
from course_utils.syllabus import Lesson, Practice, Syllabus

ROOT = Path(__file__).parents[2]
PRACTICE = Practice("3.1", "Keep it", ("a",), "a", "Exercise", 1, 5)
LESSON = Lesson("03", "topic", "Topic", "do", 1, 1, (PRACTICE,), seconds=1)
SCRIPT = """# %% [markdown]
# ### Take along
#
# Each practice ends with a guard: some lines. Give it `model`:

# %% tags=["guard"]
import io


def assert_kept(model, *rest):
    # because
    assert model, "lost"
"""
GUARD = '''def assert_kept(model: nn.Module, *rest: Any) -> None:
    """Practice 3.1: Keep it.

    Give it `model`.

    Lesson topic.
    """
    # because
    assert model, "lost"
'''


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setattr(syllabus, "load", lambda: Syllabus((LESSON,)))
    (tmp_path / "notebooks").mkdir()
    return tmp_path


def collected(course: Path, script: str) -> str:
    (course / "notebooks" / f"{LESSON.file}.py").write_text(script)
    return collect_guards.collect(course)


def test_the_module_holds_the_guards_that_the_notebooks_hold_now():
    now = collect_guards.collect(ROOT)
    assert (ROOT / collect_guards.MODULE).read_text("utf-8") == now, "run `make sync`"


def test_a_guard_gets_types_and_what_its_lesson_says(course):
    assert collected(course, SCRIPT).endswith(f"\n\n\n{GUARD}")


def test_a_practice_without_a_guard_is_named(course):
    with pytest.raises(ValueError, match="1 cells tagged 'guard' in topic.* got 0"):
        collected(course, SCRIPT.replace('["guard"]', '["good"]'))


def test_a_guard_that_defines_nothing_is_named(course):
    with pytest.raises(ValueError, match=r"guard of 3\.1 to end in def or class"):
        collected(course, f"{SCRIPT}\nassert_kept(1)\n")


def test_types_change_nothing_but_the_signature():
    code = SCRIPT.partition("import io\n")[2].strip()
    tree = ast.parse(collect_guards._annotated(code))
    [function] = tree.body
    function.returns = None
    for each in (*function.args.args, function.args.vararg):
        each.annotation = None
    assert ast.dump(tree) == ast.dump(ast.parse(code))
