"""The budget plugin, run beside nbval on tiny notebooks in sessions of their own."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from course_utils import syllabus
from course_utils.authoring import pytest_budgets as budgets

pytestmark = pytest.mark.slow
SANITIZE = Path(__file__).parents[1].joinpath("nbval_sanitize.cfg")
# The real plugin with a syllabus of one lesson: 6 s and 200 MB, twice that time solved.
CONFTEST = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from course_utils.authoring import pytest_budgets as budgets
from course_utils import syllabus

lesson = syllabus.Lesson(
    "12", "12_tiny", "Tiny", "run", 1, 1, (),
    seconds=6.0, solution_seconds=12.0, megabytes=200.0,
)
syllabus.load = lambda: syllabus.Syllabus((lesson,))
# A session's own tempo, so that a busy machine cannot excuse a slow notebook.
budgets.reference_seconds = lambda: budgets.REFERENCE_SECONDS
budgets._SAMPLE_SECONDS = @sample@

def pytest_configure(config):
    budgets.register(config)
"""

Run = Callable[..., pytest.RunResult]


def notebook(path: Path, *cells: tuple[str, str], executed: bool = True) -> Path:
    """Store code cells given as (source, expected standard output)."""
    made = []
    for count, (source, printed) in enumerate(cells, start=1):
        outputs = [v4.new_output("stream", text=printed)] if printed else []
        made.append(
            v4.new_code_cell(
                source,
                outputs=outputs if executed else [],
                execution_count=count if executed else None,
            )
        )
    path.parent.mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=made), path)
    return path


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs pytest with nbval and the plugin over ``notebooks``."""
    monkeypatch.delenv("COURSE_BUDGET_RECORD", raising=False)

    def session(*arguments: str, sample: float = 0.2) -> pytest.RunResult:
        pytester.makeconftest(CONFTEST.replace("@sample@", str(sample)))
        return pytester.runpytest_subprocess(
            "--nbval",
            "--nbval-current-env",
            f"--nbval-sanitize-with={SANITIZE}",
            "--doctest-modules",
            *arguments,
        )

    return session


def test_a_good_notebook_passes_and_the_table_shows_its_cost(pytester, run):
    notebook(pytester.path / "notebooks/12_tiny.ipynb", ("print(1 + 1)", "2\n"))
    result = run()
    result.assert_outcomes(passed=3)
    assert result.ret == 0
    result.stdout.re_match_lines(
        [
            r"notebook +cells +seconds +scaled +budget +MB +budget",
            r"notebooks/12_tiny +1 +\d+\.\d +\d+\.\d +6 +\d+ +200$",
            r"reference workload: 0\.075 s here, 0\.075 s where .*",
        ]
    )


def test_a_notebook_that_sleeps_past_its_budget_fails(pytester, run):
    notebook(
        pytester.path / "notebooks/12_tiny.ipynb",
        ("print(0)", "0\n"),
        ("import time\ntime.sleep(7.5)", ""),
    )
    result = run()
    result.assert_outcomes(passed=3, failed=1)
    assert result.ret == 1
    result.stdout.re_match_lines(
        [
            r"notebooks/12_tiny is over its budget: .* where 6 s are allowed; "
            r"its slowest cell is Cell 1 with 7\.\d s\.",
            r"notebooks/12_tiny .* OVER",
        ]
    )
    assert "MB where" not in result.stdout.str()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS records no peak")
def test_a_notebook_that_eats_memory_fails_though_it_gave_it_back(pytester, run):
    source = "block = bytearray(b'x' * 150_000_000)\ndel block"
    notebook(pytester.path / "notebooks/12_tiny.ipynb", (source, ""))
    # No sample is taken in time: the system's own record of the peak must tell.
    result = run(sample=3600.0)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.re_match_lines([r".* is over its budget: \d+ MB where 200 MB .*"])


def test_memory_of_a_child_process_counts(pytester, run):
    child = "import time; x = b'x' * 200_000_000; time.sleep(1.5)"
    source = (
        f'import subprocess, sys\nx = subprocess.run([sys.executable, "-c", "{child}"])'
    )
    notebook(pytester.path / "notebooks/12_tiny.ipynb", (source, ""))
    run().stdout.re_match_lines([r".* is over its budget: \d+ MB where 200 MB .*"])


def test_a_changed_fact_fails_and_a_changed_measurement_does_not(pytester, run):
    notebook(
        pytester.path / "notebooks/12_tiny.ipynb",
        ("print('loss 0.25')", "loss 0.75\n"),
        ("print('steps 8')", "steps 9\n"),
    )
    result = run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*Cell 1: Cell outputs differ*"])


def test_a_changed_fact_in_an_html_table_fails(pytester, run):
    path = pytester.path / "notebooks/12_tiny.ipynb"
    show = "from IPython.display import HTML, display\ndisplay(HTML('<td>{}</td>'))"
    notebook(path, *[(show.format(value), "") for value in ("0.5", "8")])
    stored = nbformat.read(path, as_version=4)
    for cell, value in zip(stored.cells, ("12.75", "9"), strict=True):
        data = {
            "text/html": f"<td>{value}</td>",
            "text/plain": "<IPython.core.display.HTML object>",
        }
        cell.outputs = [v4.new_output("display_data", data=data)]
    nbformat.write(stored, path)
    result = run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*mismatch 'text/html'*"])


def test_a_part_of_a_notebook_is_not_judged(pytester, run):
    notebook(
        pytester.path / "notebooks/12_tiny.ipynb",
        ("print(1)", "1\n"),
        ("print(2)", "2\n"),
    )
    run("--deselect", "notebooks/12_tiny.ipynb::Cell 1").assert_outcomes(
        passed=2, skipped=1, deselected=1
    )


def test_kernels_inherit_the_courses_environment(pytester, run):
    source = "import os\nprint(repr(os.environ['COURSE_PROGRESS_FILE']))"
    notebook(pytester.path / "notebooks/12_tiny.ipynb", (source, "''\n"))
    run().assert_outcomes(passed=3)


def test_a_notebook_that_was_never_run_or_has_no_budget_fails(pytester, run):
    path = pytester.path / "notebooks/12_tiny.ipynb"
    notebook(path, ("print(2)", ""), executed=False)
    notebook(path.with_name("77_unknown.ipynb"), ("print(2)", "2\n"))
    result = run()
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.re_match_lines_random(
        [
            r".*expected execution counts 1 to 1 but got \[None\]\. Run `make sync`\.",
            r"notebooks/77_unknown has no budget\..*",
        ]
    )


OTHER = {
    "start_seconds": 1.0,
    "cell_seconds": [2.0],
    "megabytes": 9.0,
    "kernel": "ordinary",
}


def test_the_record_holds_every_cells_seconds(pytester, run, monkeypatch):
    target = pytester.path / "record.json"
    monkeypatch.setenv("COURSE_BUDGET_RECORD", str(target))
    target.write_text(json.dumps({"notebooks": {"notebooks/13_other": OTHER}}))
    path = pytester.path / "notebooks/12_tiny.ipynb"
    notebook(path, ("import time\ntime.sleep(1.5)", ""), ("print(2)", "2\n"))
    run()
    record = json.loads(target.read_text())["notebooks"]
    slow, quick = record["notebooks/12_tiny"]["cell_seconds"]
    assert slow >= 1.5 > quick
    assert record["notebooks/13_other"] == OTHER  # did not run


def test_scripts_of_lessons_are_never_imported(pytester, run):
    for folder in budgets.FOLDERS:
        (pytester.path / folder).mkdir()
        script = pytester.path / folder / "test_lesson.py"
        script.write_text('raise RuntimeError("imported")')
    assert run("--collect-only").ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.fixture
def lesson(monkeypatch: pytest.MonkeyPatch) -> syllabus.Lesson:
    """Put a syllabus of one lesson in place: 30 s, solved 10 s, 1,200 MB."""
    only = syllabus.Lesson(
        *("12", "12_tiny", "Tiny", "run", 1, 1, ()),
        seconds=30.0,
        solution_seconds=10.0,
        megabytes=1200.0,
    )
    monkeypatch.setattr(syllabus, "load", lambda: syllabus.Syllabus((only,)))
    return only


def test_a_solution_has_seconds_of_its_own_and_shares_the_megabytes(lesson):
    budget_of = budgets.budget_of
    assert budget_of(Path("notebooks/12_tiny.ipynb")) == budgets.Budget(30, 1200)
    assert budget_of(Path("solutions/12_tiny.ipynb")) == budgets.Budget(10, 1200)
    assert budget_of(Path("elsewhere/12_tiny.ipynb")) is None


@pytest.mark.parametrize(
    ("references", "scaled"),
    [([1.0, 1.0, 1.0], 12.0), ([2.0, 1.0, 9.0], 6.0), ([0.4], 30.0)],
)
def test_seconds_are_scaled_by_the_median_reference(monkeypatch, references, scaled):
    monkeypatch.setattr(budgets, "REFERENCE_SECONDS", 1.0)
    path = Path("notebooks/12_tiny.ipynb")
    ledger = budgets.Ledger()
    ledger.references = references
    ledger.costs[path] = budgets.RunTime(2.0, [3.0, 7.0], megabytes=900.0)
    assert ledger.scaled(path) == pytest.approx(scaled)
    over = ledger.excess(path, budgets.Budget(20, 1000))
    assert bool(over) == (scaled > 20 * 1.2)  # a fifth is noise
    assert "Cell 1 with 7.0 s" in over or not over
