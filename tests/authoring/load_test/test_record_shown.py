"""The committed record: what was measured bears out the rules that go beyond it."""

import dataclasses

import pytest

from course_utils.authoring.load_test import record as records
from course_utils.authoring.load_test import sizing


def test_every_recorded_learner_finished_with_the_right_outputs():
    loads = records.committed().loads
    assert {1, 4, 8, 12} <= {load.learners for load in loads}
    assert all(load.good for load in loads)


def test_the_rule_for_memory_foretells_the_largest_load_that_was_measured():
    record = records.committed()
    *fewer, largest = record.loads
    without = dataclasses.replace(record, loads=tuple(fewer))
    foretold = sizing.need(without, largest.learners).kernels_gigabytes * 1024
    assert foretold == pytest.approx(largest.kernels_megabytes, rel=0.1)


def test_the_rule_for_cores_foretells_how_long_the_largest_load_took():
    record = records.committed()
    largest = record.loads[-1]
    work = largest.learners * largest.processor_seconds
    foretold = work / record.machine.cores
    assert largest.slowest_seconds == pytest.approx(foretold, rel=0.25)
