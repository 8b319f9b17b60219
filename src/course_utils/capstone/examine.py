"""Run a script and look for every symptom; an unchanged script is not run twice."""

import gc
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_utils import settings
from course_utils.capstone import script
from course_utils.capstone.data_symptoms import BATCHES as TIMED
from course_utils.capstone.data_symptoms import loading
from course_utils.capstone.model_symptoms import accuracy_of, trip
from course_utils.capstone.observed_run import StillRunning
from course_utils.capstone.runs import BATCHES, Runs
from course_utils.capstone.symptoms import SYMPTOMS, Symptom
from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import (
    LearnerError,
    in_words,
    place_in_learners_code,
)
from course_utils.experiments.global_state import preserved
from course_utils.measure.memory import MEGABYTE

LOADING = "milliseconds to load an image"
FIRST = "the first script's "


@dataclass(frozen=True)
class Examination:
    """What was seen of a script; plain numbers and images, no model and no graph.

    Attributes:
        findings: By practice.
        numbers: What the repairs gain, by name.
        rates: Learning rate of each update of a short run.
        digits: Training images of the first and of the last epoch.
    """

    findings: dict[str, Finding]
    numbers: dict[str, float]
    rates: tuple[float, ...] = ()
    digits: dict[str, Tensor] = field(default_factory=dict)


Key = tuple[str, int]  # digest of the source, seed
_known: dict[Key, Examination] = {}
_trained: dict[Key, Runs] = {}  # of scripts that were run and not yet examined


def _ask(symptom: Symptom, runs: Runs) -> Finding:
    try:
        return symptom.ask(runs)
    except StillRunning:
        raise
    except LearnerError as error:
        return Finding(str(error), False)
    except Exception as error:
        who = "Your code" if place_in_learners_code(error) else "Looking at your code"
        return Finding(f"{who} raised {in_words(error)}.", False)


def _numbers(runs: Runs) -> dict[str, float]:
    """Return what repairs gain; FIRST marks what the first script took meanwhile."""
    found, before_and_after = runs.full, trip(runs).logits
    first, now = loading(runs)
    each = 1e3 / (TIMED * len(runs.batches["train"][0][1]))
    saved, loaded = map(accuracy_of, before_and_after)
    return {
        "accuracy that it reports": float(found.result.accuracy),
        "accuracy of the file that it ships": found.shipped,
        LOADING: now * each,
        "megabytes of graphs held at the end": found.held_after / MEGABYTE,
        "epochs trained after a crash, where 2.0 are missing": (
            len(runs.resumed.rates) / BATCHES
        ),
        FIRST + LOADING: first * each,
        "accuracy before saving": saved,
        "accuracy after loading": loaded,
    }


def _examined(runs: Runs) -> Examination:
    _ = runs.full  # a script that does not train has no symptoms to show
    findings = {each.practice: _ask(each, runs) for each in SYMPTOMS}
    try:
        numbers = _numbers(runs)
        rates = tuple(runs.short.rates)
    except LearnerError:  # a finding has told it
        numbers, rates = {}, ()
    shown = runs.full.watch.shown
    digits = {"first epoch": shown[0], "last epoch": shown[-1]}
    return Examination(findings, numbers, rates, digits)


def _runs(path: str | Path) -> tuple[Key, Runs]:
    module, seed = script.load(path), settings.seed()
    key = hashlib.sha256(Path(path).read_bytes()).hexdigest(), seed
    return key, _trained.get(key) or Runs(module, seed)


def train(path: str | Path) -> Any:
    """Return the Result of the script at ``path``; `examine` uses this very run.

    Raises:
        LearnerError: If it is no script, does not train, or does not end.
    """
    key, runs = _runs(path)
    with preserved():
        torch.set_num_threads(1)
        result = runs.full.result
    if key not in _known:
        _trained.clear()  # an older version is not examined any more
        _trained[key] = runs
    return result


def examine(path: str | Path) -> Examination:
    """Return what is to be seen of the script at ``path``.

    Raises:
        LearnerError: If it is no script, does not train, or does not end.
    """
    key, runs = _runs(path)
    if key not in _known:
        with preserved():
            torch.set_num_threads(1)
            _known[key] = _examined(runs)
        _trained.pop(key, None)
        del runs
        gc.collect()  # models and Trainers refer to each other
    return _known[key]
