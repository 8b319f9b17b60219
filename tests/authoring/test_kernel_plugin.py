"""The plugin that starts nbval's kernels, in sessions of its own."""

import datetime
import json
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from course_utils import syllabus
from course_utils.authoring.pytest_kernels import ordinary_lesson
from course_utils.ready_kernel import suitable

CONFTEST = """
import sys
sys.path.insert(0, {tests!r})
from ready_kernel.conftest import factory_knows
from course_utils import ready_kernel
from course_utils.authoring import pytest_budgets, pytest_kernels
from course_utils.ready_kernel import suitable

factory_knows()
ready_kernel.is_installed = lambda: True
suitable.has_gpu = lambda: {gpu}
{before}

def pytest_configure(config):
    pytest_kernels.register(config)
    pytest_budgets.register(config)
"""
SAY = "import sys; print('torch' in sys.modules)"


def test_every_lesson_is_drawn_equally_often():
    lessons = syllabus.load().ready
    first = datetime.date(2026, 3, 1)
    days = [first + datetime.timedelta(day) for day in range(3 * len(lessons))]
    drawn = Counter(ordinary_lesson(day).id for day in days)
    assert drawn == {lesson.id: 3 for lesson in lessons}


@pytest.fixture
def session(pytester, monkeypatch):
    """Return what runs three notebooks, and gives what each printed and the result."""

    def run(kernel, before="", gpu=False):
        monkeypatch.setenv("COURSE_KERNEL", kernel)
        record = pytester.path / "record.json"
        monkeypatch.setenv("COURSE_BUDGET_RECORD", str(record))
        tests = str(Path(__file__).parents[1])
        pytester.makeconftest(CONFTEST.format(tests=tests, before=before, gpu=gpu))
        drawn = ordinary_lesson(datetime.date.today())
        others = [each for each in syllabus.load().ready if each is not drawn][:2]
        for lesson in (drawn, *others):
            path = pytester.path / "notebooks" / f"{lesson.file}.ipynb"
            path.parent.mkdir(exist_ok=True)
            cell = v4.new_code_cell(SAY, execution_count=1)
            nbformat.write(v4.new_notebook(cells=[cell]), path)
        result = pytester.runpytest_subprocess("--nbval-lax", "--nbval-current-env")
        found = json.loads(record.read_text())["notebooks"]
        kernels = {name: entry["kernel"] for name, entry in found.items()}
        first = kernels.pop(f"notebooks/{drawn.file}")
        return first, [*kernels.values()], result

    return run


on_linux = pytest.mark.skipif(
    sys.platform != "linux" or suitable.has_gpu(), reason="no kernel is ready here"
)


@on_linux
@pytest.mark.slow
def test_kernels_are_ready_but_that_of_the_lesson_drawn(session):
    drawn, others, result = session("ready")
    assert (drawn, others) == ("ordinary", ["ready", "ready"])
    assert result.ret == 0
    result.stdout.re_match_lines(
        [
            r"imports: \d+\.\d s, once for all ready kernels",
            r"in the ordinary way, drawn by date: lesson \d\d",
        ]
    )


@on_linux
@pytest.mark.slow
def test_the_imports_happen_once(session):
    count = (
        "from course_utils.ready_kernel import server\n"
        "real, made = server._Parent, []\n"
        "def new(*each):\n"
        "    made.append(1)\n"
        "    assert len(made) == 1\n"
        "    return real(*each)\n"
        "server._Parent = new"
    )
    assert session("ready", count)[1] == ["ready", "ready"]


@pytest.mark.slow
def test_ordinary_kernels_start_as_without_it(session):
    drawn, others, result = session("ordinary")
    assert [drawn, *others] == ["ordinary"] * 3
    assert "imports:" not in result.stdout.str()


@pytest.mark.slow
def test_with_a_gpu_all_start_in_the_ordinary_way(session):
    refuse = "from course_utils.ready_kernel import server\nserver._Parent = None"
    drawn, others, result = session("ready", refuse, gpu=True)
    assert [drawn, *others] == ["ordinary"] * 3
    result.stdout.fnmatch_lines(["kernels: all started in the ordinary way;*"])


def test_a_wrong_word_is_a_sentence(pytester, monkeypatch):
    monkeypatch.setenv("COURSE_KERNEL", "fast")
    pytester.makeconftest(
        "from course_utils.authoring import pytest_kernels\n"
        "pytest_configure = pytest_kernels.register"
    )
    result = pytester.runpytest_subprocess()
    result.stderr.fnmatch_lines(["ERROR: Expected COURSE_KERNEL to be 'ready' or *"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
