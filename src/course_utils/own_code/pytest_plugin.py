"""pytest: a test for each practice, of a module that is named; off unless asked.

Asked by ``--lightning-checks package.module:Class``, by ``module`` in [tool.course] of
``pyproject.toml``, or by a test that uses the fixture `lightning_checks`.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from course_utils.own_code.report import Finding, Report
    from course_utils.own_code.settings import Settings

_REPORTS = pytest.StashKey["dict[tuple[str, str], Report]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what to ask, and its data."""
    group = parser.getgroup("lightning-checks", "practices of PyTorch Lightning")
    group.addoption(
        "--lightning-checks",
        metavar="PKG.MODULE:CLASS",
        default="",
        help="check the practices in this LightningModule, a test for each",
    )
    group.addoption(
        "--lightning-data",
        metavar="PKG.MODULE:NAME",
        default="",
        help="its data: a LightningDataModule, a loader, or a function that makes one",
    )


def _settings(config: pytest.Config) -> "Settings":
    from course_utils.own_code.settings import load_settings

    try:
        found = load_settings(config.rootpath)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    data, module = map(config.getoption, ("lightning_data", "lightning_checks"))
    return replace(found, data=data or found.data, module=module or found.module)


def _asked(name: str, settings: "Settings") -> "Report":
    """Read the module and run it, in a process of its own."""
    from course_utils.own_code.reading import read, without_ignored
    from course_utils.own_code.report import joined
    from course_utils.own_code.run import ask, left_to_a_person
    from course_utils.own_code.targets import beside, parse, within

    target = parse(name)
    found, _ = read([target.path], settings.wanted, [*beside([target])])
    # pytest's `pythonpath` holds for the process, too.
    given = {"sys_path": [os.getcwd(), *sys.path]}
    ran = without_ignored(ask(target, settings, given))
    report = joined(within([target], found), ran)
    report.unasked += left_to_a_person(settings)
    return report


def _report(config: pytest.Config, settings: "Settings") -> "Report":
    """Return the report of a module, made once in a session."""
    reports = config.stash.setdefault(_REPORTS, {})
    key = settings.module, settings.data
    if key not in reports:
        reports[key] = _asked(settings.module, settings)
    return reports[key]


class FoundError(Exception):
    """A practice is not kept."""

    def __init__(self, findings: list["Finding"]) -> None:
        """Say where, what was seen, and what to do."""
        super().__init__(_text(findings))


class StoppedError(Exception):
    """The module stopped when it ran, so that nothing could be asked."""


def _text(findings: list["Finding"]) -> str:
    from course_utils.own_code.output.text import lines_of

    return "\n".join(line for each in findings for line, _ in lines_of(each))


class PracticeItem(pytest.Item):
    """The test of one practice."""

    def __init__(
        self, *, practice: str, checked: str, settings: "Settings", **options: Any
    ) -> None:
        """Take over what to ask.

        Args:
            practice: Practice id.
            checked: How it is asked, as the syllabus says.
            settings: Module, data and limits.
            **options: What pytest gives.
        """
        super().__init__(**options)
        self.practice, self.checked, self.settings = practice, checked, settings

    def runtest(self) -> None:
        """Fail with what was found, or stopped; skip with the reason if not asked."""
        report = _report(self.config, self.settings)
        found = [each for each in report.findings if each.practice == self.practice]
        if any(each.severity != "note" for each in found):
            raise FoundError(found)
        if found:
            self.warn(pytest.PytestWarning(_text(found)))
        elif self.practice not in report.kept and self.checked != "read":
            own = [each for each in report.unasked if each.practice == self.practice]
            whole = [each for each in report.unasked if not each.practice]
            if stopped := [each.reason for each in own or whole if each.stopped]:
                raise StoppedError("; ".join(stopped))
            pytest.skip("; ".join(each.reason for each in own or whole) or "not asked")

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], **_: Any
    ) -> Any:
        """Return findings as they are, anything else with its traceback."""
        if isinstance(excinfo.value, FoundError | StoppedError | ValueError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return where the test is reported: at the module that is asked."""
        return self.settings.module, 0, self.name


def _items(session: pytest.Session, settings: "Settings") -> Iterator[pytest.Item]:
    from course_utils import syllabus
    from course_utils.own_code.report import IMPORTS

    lessons = syllabus.load().lessons
    practices = [(p.id, p.checked) for each in lessons for p in each.practices]
    for practice, checked in (*practices, (IMPORTS, "read")):
        if settings.wanted(practice):
            yield PracticeItem.from_parent(
                session,
                name=f"lightning[{practice}]",
                nodeid=f"{settings.module}::lightning[{practice}]",
                practice=practice,
                checked=checked,
                settings=settings,
            )


@pytest.hookimpl(tryfirst=True)  # before `-k` and `-m` select
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the tests of the practices, unless single tests are named."""
    settings = _settings(config)
    named = config.getoption("lightning_checks")
    if settings.module and (named or not any("::" in each for each in config.args)):
        more = [*_items(session, settings)]
        items += more
        collected = pytest.CollectReport(settings.module, "passed", None, more)
        config.hook.pytest_collectreport(report=collected)  # so that they are counted


@pytest.fixture(scope="session")
def lightning_checks(pytestconfig: pytest.Config) -> "Callable[..., Report]":
    """Return a function that asks a module, and returns the `Report`.

    It takes ``"package.module:Class"`` and, as ``data``, where its data come from; it
    runs each of them once in a session.
    """

    def ask(module: str, data: str = "") -> "Report":
        settings = _settings(pytestconfig)
        asked = replace(settings, module=module, data=data or settings.data)
        return _report(pytestconfig, asked)

    return ask
