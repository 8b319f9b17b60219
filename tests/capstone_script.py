"""Lesson 14's script, made small for tests, and ways to edit and examine it."""

import hashlib
import tempfile
from pathlib import Path

import torch

from course_utils.capstone import data_symptoms, script
from course_utils.capstone.examine import Examination, examine
from course_utils.capstone.repairs import REPAIRS, repaired
from course_utils.capstone.runs import Runs
from course_utils.capstone.symptoms import SYMPTOMS
from course_utils.checks.finding import Finding
from course_utils.experiments import preserve_global_state

data_symptoms.REPEATS = 3  # of a timing that tests need not know exactly
ORIGINAL = script.ORIGINAL.read_text("utf-8")
_SMALLER = (
    ("count=2000", "count=400"),
    ("range(2000)", "range(400)"),
    ("count=1000", "count=200"),
    ("max_epochs=8", "max_epochs=4"),
)


def edited(source: str, *edits: tuple[str, str]) -> str:
    """Return ``source`` with each text replaced that must be there once."""
    for before, after in edits:
        assert source.count(before) == 1, before
        source = source.replace(before, after)
    return source


def small(*practices: str) -> str:
    """Return the script with these repairs, on a fifth of its data."""
    source = repaired(ORIGINAL, *practices) if practices else ORIGINAL
    return edited(source, *_SMALLER)


def solved() -> str:
    """Return the small script with all repairs."""
    return small(*REPAIRS)


def written(source: str) -> Path:
    """Return a file that holds ``source``; the same for the same text."""
    folder = Path(tempfile.gettempdir(), "course-capstone-tests")
    folder.mkdir(exist_ok=True)
    name = hashlib.sha256(source.encode()).hexdigest()[:16]
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    return path


def examined(source: str) -> Examination:
    """Return what is to be seen of a script."""
    return examine(written(source))


def asked(practice: str, source: str, seed: int = 0) -> Finding:
    """Look for one symptom only, which is quick."""
    [symptom] = [each for each in SYMPTOMS if each.practice == practice]
    with preserve_global_state():
        torch.set_num_threads(1)
        return symptom.check(Runs(script.load(written(source)), seed))


def good(examination: Examination) -> set[str]:
    """Return the practices whose symptoms are gone."""
    return {name for name, finding in examination.findings.items() if finding.ok}
