"""A pytest plugin: on which versions everything ran, for README's "Works with".

With `COURSE_VERSIONS_RECORD=file` a session of all unit tests, of all notebooks, or of
both writes itself into that JSON file, in place of what the earlier run of its kind had
there. A run is `lowest` if every direct dependency is as `constraints-oldest.txt` has
it, and `pinned` if it is as in `constraints.txt`; any other environment is refused
before the first test. What an earlier session on other versions left is dropped.

What is written comes from the session alone: Python, system, the installed versions,
how many unit tests and cells passed, failed and were skipped, and the notebooks of
which every cell passed.
"""

import json
import os
import platform
import time
from pathlib import Path

import pytest
from packaging.version import Version

from course_utils.authoring import environment, requirements

KINDS = {"lowest": requirements.LOWEST, "pinned": requirements.PINNED}
FOLDERS = ("notebooks", "solutions")
UNIT_TESTS = ("src", "tests")
_GRADES = ("passed", "skipped", "failed")  # a later one outweighs an earlier one


def direct_versions() -> dict[str, str]:
    """Return the installed version of each package that pyproject.toml lists."""
    wanted = requirements.required(*requirements.EXTRAS)
    here = [name for name, r in wanted.items() if requirements.needed_here(r)]
    return requirements.installed(here)


def differences(versions: dict[str, str], pins: dict[str, Version]) -> list[str]:
    """Say which ``versions`` are not the pinned ones."""
    return [
        f"{name} {version} instead of {pins.get(name, 'none')}"
        for name, version in versions.items()
        if pins.get(name) != Version(version)
    ]


def kind_of(versions: dict[str, str]) -> str:
    """Return ``lowest`` or ``pinned``.

    Raises:
        UsageError: If the versions are neither, with those that differ.
    """
    found = []
    for kind, file in KINDS.items():
        listed = requirements.pins(file)
        pins = {n: requirements.pinned_version(pin) for n, pin in listed.items()}
        wrong = differences(versions, pins)
        if not wrong:
            return kind
        found.append(f"{file} ({', '.join(wrong)})")
    raise pytest.UsageError(
        "Expected the versions of one file of constraints but got other ones than "
        + " and ".join(found)
    )


class Recorder:
    """Notes how each test of a session ends, and writes the session's run at last.

    Args:
        target: The JSON file; it need not exist.
        versions: The installed versions, by package.
        kind: ``lowest`` or ``pinned``.
        unit_tests: Whether the session runs all of them.
        cells: Whether it runs all notebooks.
    """

    def __init__(
        self,
        target: Path,
        versions: dict[str, str],
        kind: str,
        *,
        unit_tests: bool = True,
        cells: bool = True,
    ) -> None:
        """Record a session."""
        self._target = target
        self._versions = versions
        self._kind = kind
        self._unit_tests = unit_tests
        self._cells = cells
        self._grades: dict[str, str] = {}
        self._left_out = 0
        self._said = "not recorded"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the gravest of what set-up, call and teardown of a test report."""
        before = self._grades.get(report.nodeid, "passed")
        self._grades[report.nodeid] = max(before, report.outcome, key=_GRADES.index)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count what the session leaves out."""
        self._left_out += len(items)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the run, unless part of the tests did not run."""
        missing = self._left_out + session.testscollected - len(self._grades)
        if missing or not self._grades:
            self._said = f"not recorded: {missing} tests did not run"
            return
        old = json.loads(self._target.read_text()) if self._target.exists() else {}
        runs = {**old, self._kind: {**self._earlier(old), **self.run()}}
        self._target.write_text(json.dumps(runs, indent=1, sort_keys=True) + "\n")
        self._said = f"recorded as {self._kind} in {self._target.name}"

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Say whether this session is on record now."""
        terminalreporter.write_line(f"versions: {self._said}")

    def _earlier(self, runs: dict[str, dict[str, object]]) -> dict[str, object]:
        """Return the earlier run of this kind, if it was on the same versions."""
        earlier, same = runs.get(self._kind, {}), ("python", "versions")
        now = self.run()
        return earlier if all(earlier.get(k) == now[k] for k in same) else {}

    def run(self) -> dict[str, object]:
        """Return this session as the record shows it."""
        run: dict[str, object] = {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "python": platform.python_version(),
            "system": environment.system(),
            "versions": self._versions,
        }
        if self._unit_tests:
            run["unit_tests"] = self._counts(cells=False)
        if self._cells:
            run |= {"cells": self._counts(cells=True), "notebooks": self._notebooks()}
        return run

    def _counts(self, *, cells: bool) -> dict[str, int]:
        found = [g for name, g in self._grades.items() if _of_notebook(name) is cells]
        return {grade: found.count(grade) for grade in _GRADES}

    def _notebooks(self) -> list[str]:
        files: dict[str, set[str]] = {}
        for name, grade in self._grades.items():
            if _of_notebook(name):
                files.setdefault(name.split(".ipynb")[0], set()).add(grade)
        return sorted(file for file, grades in files.items() if grades == {"passed"})


def _of_notebook(nodeid: str) -> bool:
    return nodeid.split("/")[0] in FOLDERS


def register(config: pytest.Config) -> None:
    """Record this session, if `COURSE_VERSIONS_RECORD` names a file."""
    target = os.environ.get("COURSE_VERSIONS_RECORD")
    if not target or hasattr(config, "workerinput"):  # xdist: one record, not one each
        return
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    unit_tests = everything or set(UNIT_TESTS) <= set(config.args)
    cells = everything or set(FOLDERS) <= set(config.args)
    if not (unit_tests or cells):
        raise pytest.UsageError(
            "Expected a session of all unit tests or of all notebooks but got "
            f"{' '.join(config.args)!r}; unset COURSE_VERSIONS_RECORD to test a part."
        )
    versions = direct_versions()
    recorder = Recorder(
        Path(target).absolute(),
        versions,
        kind_of(versions),
        unit_tests=unit_tests,
        cells=cells,
    )
    config.pluginmanager.register(recorder, "course-versions")
