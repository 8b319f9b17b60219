"""Lightning's own demos are code that nobody here wrote: what is found, and why."""

from pathlib import Path

import pytest

from course_utils.own_code.registry import run_practices
from course_utils.own_code.run import ask
from course_utils.own_code.settings import Settings
from course_utils.own_code.targets import parse

BORING = "lightning.pytorch.demos.boring_classes"
# A plain loader begins again when a run is resumed in the middle of an epoch: 5.3.
# The two text models do not save their vocabulary's size: 3.1.
FOUND = {
    f"{BORING}:BoringModel": (f"{BORING}:BoringDataModule", ["5.3"]),
    f"{BORING}:ManualOptimBoringModel": (f"{BORING}:BoringDataModule", ["5.3"]),
    f"{BORING}:DemoModel": ("demos:Drawn", ["5.3"]),
    "demos:transformer": ("demos:Text", ["3.1", "5.3"]),
    "demos:lstm": ("demos:Text", ["3.1", "5.3"]),
    "pytorch_lightning.demos.boring_classes:BoringModel": ("demos:Drawn", ["5.3"]),
}
UNASKED = {
    f"{BORING}:ManualOptimBoringModel": {"1.1", "4.4"},  # it optimizes by hand
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_each_finding_is_one_that_a_person_confirmed(name, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    data, practices = FOUND[name]
    report = ask(parse(name), Settings(data=data, seconds=280.0))
    assert sorted(each.practice for each in report.findings) == practices
    [again] = [each.seen for each in report.findings if each.practice == "5.3"]
    assert again == "Batch 1 after batch 2 has other samples than those due."
    unasked = UNASKED.get(name, {"4.4"})
    assert {each.practice for each in report.unasked} == unasked
    assert {*report.kept} == {*run_practices()} - {*practices, *unasked}
