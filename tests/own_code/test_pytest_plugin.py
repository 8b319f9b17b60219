"""The pytest plugin: a test for each practice, of a module that is named."""

from pathlib import Path

import pytest

from course_utils import syllabus
from course_utils.own_code import pytest_plugin
from course_utils.own_code.report import Finding, Report, Unasked

ASK = ("-p", "course_utils.own_code.pytest_plugin", "-p", "no:cacheprovider")
COUNT = sum(len(lesson.practices) for lesson in syllabus.load().lessons) + 1
FINDINGS = [
    Finding("12.5", "warning", "net.py", 8, "It changes the batch.", "Clone it."),
    Finding("5.3", "note", "net.py", 9, "Noted.", "Look."),
]
UNASKED = [
    Unasked("4.4", "it has no schedule."),
    Unasked("7.1", "left to you: GPU."),
    Unasked("11.1", "a short fit stopped: no.", "net", stopped=True),
]
TEST = "def test_own(): pass\n"
USES = """def test_own(lightning_checks):
    first, second = (lightning_checks("net:Net", "net:rows") for _ in range(2))
    assert first is second
    assert [f.practice for f in first.findings] == ["12.5", "5.3"]
"""
NET = """import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net, self.seen = torch.nn.Linear(8, 1), []

    def training_step(self, batch, batch_idx):
        loss = self.net(batch[0]).sum()
        self.seen.append(loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def rows():
    return DataLoader(TensorDataset(torch.randn(64, 8)), batch_size=16)
"""


@pytest.fixture
def asked(pytester, monkeypatch):
    """Stand in for the run; return the names that were asked, with their data."""
    names = []

    def answer(name, settings):
        names.append((name, settings.data))
        run = [p for p in ("1.1", "12.1") if settings.wanted(p)]
        return Report([*FINDINGS], [*UNASKED], run)

    monkeypatch.setattr(pytest_plugin, "_asked", answer)
    pytester.makepyfile(TEST)
    return names


def test_it_is_off_unless_asked(pytester, asked):
    result = pytester.runpytest(*ASK)
    result.assert_outcomes(passed=1)
    assert asked == []


def test_there_is_a_test_for_each_practice_and_one_run(pytester, asked):
    options = ["--lightning-checks=net:Net", "--lightning-data=net:rows", "-rs", "-v"]
    result = pytester.runpytest(*ASK, *options)
    counts = result.parseoutcomes()
    assert counts["failed"] == 2
    assert counts["failed"] + counts["passed"] + counts["skipped"] == COUNT + 1
    assert asked == [("net:Net", "net:rows")]
    out = result.stdout
    out.fnmatch_lines_random(
        ["net.py:8: 12.5 warning (read)", "    It changes the batch."]
    )
    out.fnmatch_lines_random(["    → Clone it.", "    lesson 12_common_pitfalls: *"])
    out.fnmatch_lines_random([f"*collected {COUNT + 1} items*"])
    out.fnmatch_lines_random(["*::lightning?1.1? PASSED*"])
    out.fnmatch_lines_random(["*::lightning?11.1? FAILED*", "a short fit stopped: no."])
    out.fnmatch_lines_random(["*SKIPPED*it has no schedule."])
    out.fnmatch_lines_random(["*SKIPPED*left to you: GPU."])
    out.fnmatch_lines_random(["*PytestWarning: net.py:9: 5.3 note (read)*"])
    out.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        (["-k", "lightning and 12.5"], {"failed": 1}),
        (["-k", "lightning and 12.1"], {"passed": 1}),
        (["-k", "lightning and 4.4"], {"skipped": 1}),
        (["-k", "lightning and 6.1"], {"skipped": 1}),
        (["-k", "lightning[2.2]"], {"passed": 1}),
    ],
)
def test_single_practices_are_selected(pytester, asked, options, outcomes):
    result = pytester.runpytest(*ASK, "--lightning-checks=net:Net", *options)
    result.assert_outcomes(**outcomes, deselected=COUNT)


def test_settings_stand_in_pyproject(pytester, asked):
    table = 'module = "net:Net"\ndata = "net:rows"\nselect = ["12.1"]'
    pytester.makepyprojecttoml(f"[tool.course]\n{table}\n")
    pytester.runpytest(*ASK).assert_outcomes(passed=2)
    assert asked == [("net:Net", "net:rows")]
    [test] = Path().glob("test_*.py")
    pytester.runpytest(*ASK, f"{test}::test_own").assert_outcomes(passed=1)


def test_a_wrong_setting_gets_one_sentence(pytester, asked):
    pytester.makepyprojecttoml("[tool.course]\nmodul = 'net:Net'\n")
    result = pytester.runpytest(*ASK)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *got modul. Did you mean module?"])


def test_a_module_that_is_not_there_gets_one_sentence(pytester):
    options = "--lightning-checks=no.such:Net", "-k", "12.5"
    result = pytester.runpytest(*ASK, *options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Expected a file, a folder or package.module:Class*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_fixture_asks_once(pytester, asked):
    pytester.makepyfile(USES)
    pytester.runpytest(*ASK).assert_outcomes(passed=1)
    assert asked == [("net:Net", "net:rows")]


@pytest.mark.slow
def test_a_module_is_run_from_the_folder_that_pytest_adds(pytester):
    pytester.mkdir("code").joinpath("net.py").write_text(NET)
    pytester.makeini("[pytest]\npythonpath = code\n")
    options = ["--lightning-checks=net:Net", "--lightning-data=net:rows", "-k", "7.4"]
    result = pytester.runpytest_subprocess(*ASK, *options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["code/net.py:*: 7.4 warning (run)"])
