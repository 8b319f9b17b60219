"""Every bad cell of the course is found by reading it, and no good one is."""

import functools
from pathlib import Path

import nbformat
import pytest

from course_utils import syllabus
from course_utils.capstone.repairs import repaired
from course_utils.capstone.script import ORIGINAL as SCRIPT
from course_utils.capstone.symptoms import SYMPTOMS
from course_utils.own_code.reading import read
from course_utils.own_code.registry import rules
from course_utils.own_code.report import Finding

ROOT = Path(__file__).parents[2]
ORIGINAL = SCRIPT.read_text("utf-8")
LESSONS = [each for each in syllabus.load().ready if each.practices]
# The rule looks for another form of the mistake than the lesson's bad cell has: what
# that cell lacks (an argument of the Trainer, a field of a class) is no mistake in
# itself, or depends on what is passed to it.
OTHER_FORM = {
    "5.2": "deterministic=True beside benchmark=True",
    "6.3": "torch.where that hides a value and not its gradient",
    "7.2": "a loss divided by accumulate_grad_batches once more",
    "12.3": "x.to(self.device) on a tensor of the batch",
}
READ = sorted({rule.practice for rule in rules()} - {*OTHER_FORM, "imports"})
# What a good cell, or a solution, leaves open: these log in one process, in a lesson
# whose other half is about several.
LEFT_OPEN = [
    ("good", "12.4", "12.2"),
    ("solution", "12.4", "12.2"),
    ("solution", "4.2", "4.3"),
    ("solution", "4.2", "12.2"),
]


@functools.cache
def findings(path: Path) -> list[Finding]:
    return read([path])[0].findings


@functools.cache
def cells(path: Path, tag: str) -> list[int]:
    code = [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    tagged = enumerate(code, start=1)
    return [n for n, cell in tagged if tag in cell.metadata.get("tags", [])]


def found(practice: str, tag: str, folder: str = "notebooks") -> set[str]:
    """Return the practices found in the cell of a practice that has this tag."""
    lesson = syllabus.load().lesson_of(practice)
    path = ROOT / folder / f"{lesson.file}.ipynb"
    index = [each.id for each in lesson.practices].index(practice)
    number = cells(path, tag)[index]
    return {each.practice for each in findings(path) if each.cell == number}


def left_open(tag: str, practice: str) -> set[str]:
    return {other for of, own, other in LEFT_OPEN if (of, own) == (tag, practice)}


ALL = [practice.id for lesson in LESSONS for practice in lesson.practices]


@pytest.mark.parametrize("practice", READ)
def test_a_bad_cell_is_found_with_its_practice(practice):
    assert practice in found(practice, "bad")


@pytest.mark.parametrize("practice", ALL)
def test_in_a_good_cell_nothing_is_found(practice):
    assert found(practice, "good") == left_open("good", practice)


@pytest.mark.parametrize("practice", ALL)
def test_in_a_solution_nothing_is_found(practice):
    assert found(practice, "solution", "solutions") == left_open("solution", practice)


# Two are seen only when it runs: images changed in a data set, and a report of the
# wrong split.
UNREAD = {"12.5", "10.1"}


def test_of_the_capstones_sixteen_faults_fourteen_are_read():
    faults = {symptom.practice for symptom in SYMPTOMS}
    found = {finding.practice for finding in findings(SCRIPT)}
    assert faults - found == UNREAD
    # A tensor that is no buffer is not saved, either.
    assert found - faults == {"9.3"}


def read_text(text: str, folder: Path) -> set[str]:
    (folder / "train.py").write_text(text)
    return {each.practice for each in read([folder / "train.py"])[0].findings}


@pytest.mark.parametrize("fault", [s.practice for s in SYMPTOMS])
def test_a_repair_takes_its_finding_away(fault, tmp_path):
    gone = {fault, "9.3"} if fault == "2.3" else {fault}
    left = {symptom.practice for symptom in SYMPTOMS} | {"9.3"}
    assert read_text(repaired(ORIGINAL, fault), tmp_path) == left - gone - UNREAD


def test_in_the_repaired_capstone_nothing_is_read(tmp_path):
    everything = [symptom.practice for symptom in SYMPTOMS]
    assert read_text(repaired(ORIGINAL, *everything), tmp_path) == set()


@pytest.mark.parametrize(
    "name", ["accumulating", "functional", "inherited", "rewritten"]
)
def test_in_other_right_answers_to_the_capstone_nothing_is_read(name):
    assert findings(ROOT / f"tests/capstone_scripts/{name}.py") == []
