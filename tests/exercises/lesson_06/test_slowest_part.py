"""Loops that sleep in known parts, and functions that name the slowest.

Learners' answers of many styles are in `test_exercises_lesson_06`.
"""

import time

import lightning as L
import pytest
from torch.utils.data import DataLoader

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_06.slowest_part import (
    PARTS,
    Slowed,
    names_the_slowest,
)
from course_utils.hardware import quiet_trainer

CASES = [{"loading": 9, "forward": 2}, {"backward": 9, "optimizer": 2}]


def judged(ask, cases=CASES, **options):
    return [finding.ok for finding in names_the_slowest(ask, cases, **options)]


def knows(module, loader):
    sleeps = {**module.sleeps, "loading": loader.dataset.seconds * 4}
    return max(sleeps, key=sleeps.get)


def test_whoever_knows_is_right():
    assert judged(knows) == [True, True]


@pytest.mark.parametrize("part", PARTS)
def test_a_constant_answer_is_right_where_it_happens_to_be(part):
    truths = [max(case, key=case.get) for case in CASES]
    assert judged(lambda *_: part) == [truth == part for truth in truths]


@pytest.mark.parametrize("said", ["Loading", "optimizer_step", None, 3])
def test_what_is_no_part_gets_the_list_of_parts(said):
    finding = next(names_the_slowest(lambda *_: said, CASES))
    assert finding.ok is False
    assert finding.remedy == "Return one of loading, forward, backward, optimizer."


def test_a_wrong_part_is_told_what_contains_what():
    finding = next(names_the_slowest(lambda *_: "optimizer", CASES))
    assert "optimizer_step contains the forward" in finding.remedy
    assert finding.seen == (
        "Where a batch takes loading 9 ms and forward 2 ms, it says 'optimizer'."
    )


def test_one_stall_of_the_machine_is_forgiven():
    said = iter(["backward", "loading", "backward"])
    assert judged(lambda *_: next(said)) == [True, True]


def test_more_batches_than_allowed_end_the_run():
    def trains_on_all(module, loader):
        L.Trainer(max_epochs=1, **quiet_trainer()).fit(module, loader)

    with pytest.raises(LearnerError, match="went on after 3 batches; limit them"):
        judged(trains_on_all, most=3)


@pytest.mark.parametrize("part", ["forward", "backward", "optimizer"])
def test_a_part_sleeps_where_it_says(part):
    module = Slowed({part: 40}, most=2)
    optimizer = module.configure_optimizers()
    batch = next(iter(DataLoader([([0.0, 1.0, 2.0], [1.0])], collate_fn=_only)))
    marks = [time.perf_counter()]
    loss = module.training_step(batch, 0)
    marks.append(time.perf_counter())
    loss.backward()
    marks.append(time.perf_counter())
    optimizer.step()
    marks.append(time.perf_counter())
    took = [end - start for start, end in zip(marks, marks[1:], strict=False)]
    assert took[PARTS.index(part) - 1] >= 0.04


def _only(samples):
    import torch

    return tuple(torch.tensor([value]) for value in samples[0])
