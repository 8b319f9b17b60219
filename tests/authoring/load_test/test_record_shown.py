"""The committed record: its measurements agree with the rules that extrapolate."""

import dataclasses

import pytest

from course_utils.authoring.load_test import record as records
from course_utils.authoring.load_test import sizing


def test_every_recorded_learner_finished_with_the_stored_outputs():
    loads = records.committed().loads
    assert {1, 4, 8, 12} <= {load.learners for load in loads}
    assert all(load.good for load in loads)


def test_the_rule_for_memory_predicts_the_largest_measured_load():
    record = records.committed()
    *fewer, largest = record.loads
    without = dataclasses.replace(record, loads=tuple(fewer))
    predicted = sizing.compute_need(without, largest.learners).kernels_gigabytes * 1024
    # Rather too much than too little: not all kernels are at their peak at once.
    assert 0.9 <= predicted / largest.kernels_megabytes <= 1.2


def test_the_rule_for_cores_predicts_how_long_the_largest_load_took():
    record = records.committed()
    largest = record.loads[-1]
    work = largest.learners * largest.processor_seconds
    predicted = work / record.machine.cores
    assert largest.slowest_seconds == pytest.approx(predicted, rel=0.25)
