"""Run a script and look for every symptom; an unchanged script is not run again."""

import gc
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_utils import settings
from course_utils.capstone import script
from course_utils.capstone.data_symptoms import loading_seconds
from course_utils.capstone.model_symptoms import round_trip
from course_utils.capstone.observed_run import StillRunningError
from course_utils.capstone.runs import Runs
from course_utils.capstone.symptoms import SYMPTOMS, Symptom
from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import (
    LearnerError,
    in_words,
    place_in_learners_code,
)
from course_utils.experiments import preserve_global_state
from course_utils.measure.memory import MEGABYTE

LOADING = "milliseconds to load an image"
FIRST = "the first script's "


@dataclass(frozen=True)
class Examination:
    """What was seen of a script; numbers and images only, so that no model stays alive.

    Attributes:
        findings: By practice.
        numbers: What the repairs gain, by name.
        rates: Learning rate of each update of a short run.
        digits: Training images of the first and of the last epoch, each
            ``(10, 1, 28, 28)``, 0 to 1.
    """

    findings: dict[str, Finding]
    numbers: dict[str, float]
    rates: tuple[float, ...] = ()
    digits: dict[str, Tensor] = field(default_factory=dict)


Key = tuple[str, int]  # digest of the source, seed
_examinations: dict[Key, Examination] = {}
_trained: dict[Key, Runs] = {}  # of scripts that were run and not yet examined


def _look_for(symptom: Symptom, runs: Runs) -> Finding:
    try:
        return symptom.check(runs)
    except StillRunningError:
        raise
    except LearnerError as error:
        return Finding(str(error), False)
    except Exception as error:
        # No line of the script: our code raises over something that it returned.
        who = "Your code" if place_in_learners_code(error) else "Looking at your code"
        return Finding(f"{who} raised {in_words(error)}.", False)


def _numbers(runs: Runs) -> dict[str, float]:
    """Return what repairs gain; FIRST marks the first script's time, taken in turns."""
    found = runs.full
    first, now = runs.once(loading_seconds)
    saved, loaded = runs.once(round_trip).accuracies
    return {
        "accuracy that it reports": float(found.result.accuracy),
        "accuracy of the file that it ships": found.file_accuracy,
        LOADING: 1e3 * now,
        "megabytes of graphs held at the end": found.graph_bytes_after / MEGABYTE,
        "epochs trained after a crash, where 2.0 are missing": (
            4.0 * len(runs.resumed.rates) / len(runs.short.rates)
        ),
        FIRST + LOADING: 1e3 * first,
        "accuracy before saving": saved,
        "accuracy after loading": loaded,
    }


def _examined(runs: Runs) -> Examination:
    _ = runs.full  # a script that does not train has no symptoms to show
    findings = {each.practice: _look_for(each, runs) for each in SYMPTOMS}
    try:
        numbers = _numbers(runs)
        rates = tuple(runs.short.rates)
    except LearnerError:  # a finding says so already
        numbers, rates = {}, ()
    shown = runs.full.spy.first_images
    digits = {"first epoch": shown[0], "last epoch": shown[-1]}
    return Examination(findings, numbers, rates, digits)


def _runs_of(path: str | Path) -> tuple[Key, Runs]:
    module, seed = script.load(path), settings.seed()
    key = hashlib.sha256(Path(path).read_bytes()).hexdigest(), seed
    return key, _trained.get(key) or Runs(module, seed)


def train(path: str | Path) -> Any:
    """Return the Result of the script at ``path``; `examine` uses this very run.

    Raises:
        LearnerError: If it is no script, does not train, or does not end.
    """
    key, runs = _runs_of(path)
    with preserve_global_state():
        torch.set_num_threads(1)
        result = runs.full.result
    if key not in _examinations:
        _trained.clear()  # an older version will not be examined any more
        _trained[key] = runs
    return result


def examine(path: str | Path) -> Examination:
    """Return what is to be seen of the script at ``path``.

    Raises:
        LearnerError: If it is no script, does not train, or does not end.
    """
    key, runs = _runs_of(path)
    if key not in _examinations:
        with preserve_global_state():
            torch.set_num_threads(1)
            _examinations[key] = _examined(runs)
        _trained.pop(key, None)
        del runs
        gc.collect()  # models and Trainers refer to each other
    return _examinations[key]
