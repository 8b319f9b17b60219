"""A pytest plugin: on which versions everything ran, for README's "Works with".

With `COURSE_VERSIONS_RECORD=file` a session of all unit tests, of all notebooks, or of
both writes itself into that JSON file, in place of what the earlier run of its kind had
there; only tests marked slow may be left out. A run is `lowest` if every direct
dependency is as `constraints-oldest.txt` has it, and `pinned` if it is as in
`constraints.txt`; any other environment is refused before the first test. What an
earlier session on other versions left is dropped.

What is written comes from the session alone: Python, system, the installed versions,
how many unit tests and cells passed, failed and were skipped, and the notebooks of
which every cell passed.
"""

import json
import os
import platform
import time
from dataclasses import dataclass, field
from importlib import metadata
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
    here = [name for name, each in wanted.items() if requirements.needed_on(each)]
    # Without a build's suffix, such as torch's +cpu.
    return {name: Version(metadata.version(name)).public for name in here}


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


@dataclass(eq=False)
class Recorder:
    """Notes how each test of a session ends, and writes the session's run at last.

    Attributes:
        target: The JSON file; it need not exist.
        versions: The installed versions, by package.
        kind: ``lowest`` or ``pinned``.
        unit_tests: Whether the session runs all of them.
        cells: Whether it runs all notebooks.
    """

    target: Path
    versions: dict[str, str]
    kind: str
    unit_tests: bool
    cells: bool
    _grades: dict[str, str] = field(default_factory=dict)
    _left_out: int = 0
    _said: str = "not recorded"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the gravest of what set-up, call and teardown of a test report."""
        before = self._grades.get(report.nodeid, "passed")
        self._grades[report.nodeid] = max(before, report.outcome, key=_GRADES.index)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count what the session leaves out, slow tests aside."""
        self._left_out += sum(not item.get_closest_marker("slow") for item in items)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the run, unless part of the tests did not run."""
        missing = self._left_out + session.testscollected - len(self._grades)
        if missing or not self._grades:
            self._said = f"not recorded: {missing} tests did not run"
            return
        old = json.loads(self.target.read_text()) if self.target.exists() else {}
        earlier, now = old.get(self.kind, {}), self.run()
        if any(earlier.get(key) != now[key] for key in ("python", "versions")):
            earlier = {}  # it was on other versions
        runs = {**old, self.kind: {**earlier, **now}}
        self.target.write_text(json.dumps(runs, indent=1, sort_keys=True) + "\n")
        self._said = f"recorded as {self.kind} in {self.target.name}"

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Say whether this session is on record now."""
        terminalreporter.write_line(f"versions: {self._said}")

    def run(self) -> dict[str, object]:
        """Return this session as the record shows it."""
        run: dict[str, object] = {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "python": platform.python_version(),
            "system": environment.system(),
            "versions": self.versions,
        }
        if self.unit_tests:
            run["unit_tests"] = self._counts(cells=False)
        if self.cells:
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
    kind = kind_of(versions)
    recorder = Recorder(Path(target).absolute(), versions, kind, unit_tests, cells)
    config.pluginmanager.register(recorder, "course-versions")
