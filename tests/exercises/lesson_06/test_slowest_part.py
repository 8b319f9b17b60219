"""Loops sleep in the parts they name, and one stall of the machine is forgiven."""

import time

import pytest
from torch.utils.data import DataLoader

from course_utils.exercises.lesson_06.slowest_part import (
    PARTS,
    Slowed,
    names_the_slowest,
)

CASES = [{"loading": 9, "forward": 2}, {"backward": 9, "optimizer": 2}]


def judged(ask):
    return [finding.ok for finding in names_the_slowest(ask, CASES)]


def knows(module, loader):
    sleeps = {**module.sleeps, "loading": loader.dataset.seconds * 4}
    return max(sleeps, key=sleeps.get)


def test_whoever_knows_is_right():
    assert judged(knows) == [True, True]


@pytest.mark.parametrize("part", PARTS)
def test_a_constant_answer_is_right_where_it_happens_to_be(part):
    truths = [max(case, key=case.get) for case in CASES]
    assert judged(lambda *_: part) == [truth == part for truth in truths]


def test_one_stall_of_the_machine_is_forgiven():
    said = iter(["backward", "loading", "backward"])
    assert judged(lambda *_: next(said)) == [True, True]


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
