"""The plugin that records on which versions everything ran, in sessions of its own."""

import json
import platform
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat import v4

from course_utils.authoring import pytest_versions as versions
from course_utils.authoring import requirements

pytestmark = pytest.mark.slow
TESTS = """
import pytest

def test_passes(): pass
def test_fails(): assert False
@pytest.mark.skip
def test_is_skipped(): pass

@pytest.fixture
def broken():
    yield
    raise ValueError
def test_fails_when_it_has_passed(broken): pass
"""
# The real plugin; only what is installed is made up.
CONFTEST = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from course_utils.authoring import pytest_versions as versions

versions.direct_versions = lambda: {{"torch": "2.6.0"}}
versions.kind_of = lambda _: "lowest"

def pytest_configure(config):
    versions.register(config)
"""
EARLIER = {"lowest": {"python": "2.7.18"}, "pinned": {"python": "3.11.7"}}


def notebook(path: Path, *sources: str) -> None:
    """Store cells of which each should print 1."""
    printed = v4.new_output("stream", text="1\n")
    cells = [
        v4.new_code_cell(source, outputs=[printed], execution_count=count)
        for count, source in enumerate(sources, start=1)
    ]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=cells), path)


@pytest.fixture
def record(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the record of a small project, with an earlier run of each kind."""
    file = pytester.path / "versions.json"
    file.write_text(json.dumps(EARLIER))
    monkeypatch.setenv("COURSE_VERSIONS_RECORD", str(file))
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\ntestpaths = tests notebooks")
    (pytester.mkdir("tests") / "test_it.py").write_text(TESTS)
    notebook(pytester.path / "notebooks/01_good.ipynb", "print(1)", "print(2 - 1)")
    notebook(pytester.path / "notebooks/02_bad.ipynb", "print(1)", "print(2)")
    return file


def test_a_session_writes_what_ran_and_how_it_ended(pytester, record):
    result = pytester.runpytest_subprocess("--nbval", "--nbval-current-env")
    result.stdout.fnmatch_lines(["versions: recorded as lowest in versions.json"])
    runs = json.loads(record.read_text())
    assert runs["pinned"] == EARLIER["pinned"]
    run = runs["lowest"]
    assert run["python"] == platform.python_version()
    assert run["versions"] == {"torch": "2.6.0"}
    assert run["unit_tests"] == {"passed": 1, "skipped": 1, "failed": 2}
    assert run["cells"] == {"passed": 3, "skipped": 0, "failed": 1}
    assert run["notebooks"] == ["notebooks/01_good"]
    assert set(run) == {
        *("date", "python", "system", "versions"),
        *("unit_tests", "cells", "notebooks"),
    }


def test_slow_tests_may_be_left_out(pytester, record):
    slow = "import pytest\n\n@pytest.mark.slow\ndef test_slow(): pass\n"
    (pytester.path / "tests/test_slow.py").write_text(slow)
    options = ("--nbval", "--nbval-current-env", "-m", "not slow")
    result = pytester.runpytest_subprocess(*options)
    result.stdout.fnmatch_lines(["versions: recorded as lowest in versions.json"])
    run = json.loads(record.read_text())["lowest"]
    assert run["unit_tests"] == {"passed": 1, "skipped": 1, "failed": 2}


@pytest.mark.parametrize(
    ("option", "missing"), [("--deselect=tests/test_it.py", 4), ("--exitfirst", 6)]
)
def test_a_session_that_left_tests_out_is_not_recorded(
    pytester, record, option, missing
):
    result = pytester.runpytest_subprocess("--nbval", "--nbval-current-env", option)
    said = f"versions: not recorded: {missing} tests did not run"
    result.stdout.fnmatch_lines([said])
    assert json.loads(record.read_text()) == EARLIER


def test_two_sessions_make_one_run_unless_the_versions_changed(pytester, record):
    for folder in ("src", "solutions"):
        pytester.mkdir(folder)
    nbval = "--nbval", "--nbval-current-env"
    pytester.runpytest_subprocess("-n", "2", "src", "tests")
    run = json.loads(record.read_text())["lowest"]
    assert run["unit_tests"] == {"passed": 1, "skipped": 1, "failed": 2}
    assert "cells" not in run
    pytester.runpytest_subprocess(*nbval, "notebooks", "solutions")
    both = json.loads(record.read_text())["lowest"]
    assert both["unit_tests"] == run["unit_tests"]
    assert both["cells"] == {"passed": 3, "skipped": 0, "failed": 1}
    newer = CONFTEST.replace('"2.6.0"', '"2.7.0"')
    pytester.makeconftest(newer)
    pytester.runpytest_subprocess(*nbval, "notebooks", "solutions")
    run = json.loads(record.read_text())["lowest"]
    assert "unit_tests" not in run
    assert run["cells"] == both["cells"]


def test_a_session_of_one_folder_is_refused(pytester, record):
    result = pytester.runpytest_subprocess("tests")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = "*Expected a session of all unit tests or of all notebooks but got 'tests'*"
    result.stderr.fnmatch_lines([said])
    assert json.loads(record.read_text()) == EARLIER


def test_nothing_is_recorded_unasked(pytester, record, monkeypatch):
    monkeypatch.delenv("COURSE_VERSIONS_RECORD")
    result = pytester.runpytest_subprocess("--nbval", "--nbval-current-env")
    assert "versions:" not in result.stdout.str()
    assert json.loads(record.read_text()) == EARLIER


@pytest.fixture
def listed() -> dict[str, dict[str, str]]:
    """Return what each file of constraints gives torch and rich."""
    return {
        kind: {
            name: str(requirements.pinned_version(requirements.pins(file)[name]))
            for name in ("torch", "rich")
        }
        for kind, file in versions.KINDS.items()
    }


@pytest.mark.parametrize("kind", versions.KINDS)
def test_the_kind_of_a_run_is_known_by_its_versions(listed, kind):
    assert versions.kind_of(listed[kind]) == kind


def test_a_mixed_environment_is_refused_by_name(listed):
    mixed = {"torch": listed["lowest"]["torch"], "rich": listed["pinned"]["rich"]}
    with pytest.raises(pytest.UsageError) as refused:
        versions.kind_of(mixed)
    message = str(refused.value)
    for part in (
        f"rich {mixed['rich']} instead of {listed['lowest']['rich']}",
        f"torch {mixed['torch']} instead of {listed['pinned']['torch']}",
    ):
        assert part in message


def test_a_package_without_a_pin_is_a_difference():
    assert versions.differences({"new": "1.0"}, {}) == ["new 1.0 instead of none"]


def test_the_installed_versions_are_those_of_the_packages_themselves():
    here = versions.direct_versions()
    assert here["torch"] == torch.__version__.split("+")[0]
    assert here["pytest"] == pytest.__version__
