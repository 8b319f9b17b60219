"""What a class needs, against hand arithmetic, and the tables that show it."""

import dataclasses

import pytest

from course_utils import syllabus
from course_utils.authoring.environment import Machine
from course_utils.authoring.load_test import record as records
from course_utils.authoring.load_test import sizing, tables
from course_utils.authoring.load_test.record import Load, Record


def _load(learners: int, seconds: float, cpu: float, kernels: float) -> Load:
    private = 400.0 * learners
    return Load(
        *(learners, learners, learners, seconds, seconds, cpu, kernels, private, 90.0)
    )


# Alone: 20 s, 30 s of processor time, 700 MB. The largest: 10 learners, 36 s each.
BY_HAND = Record(
    date="2026-01-31",
    lesson="13",
    machine=Machine(2, 16.0, "Some processor", "Linux"),
    loads=(_load(1, 20.0, 30.0, 700.0), _load(10, 180.0, 36.0, 4300.0)),
    versions={"python": "3.11.0"},
)


def test_the_syllabus_gives_lesson_13_thirty_minutes():
    assert syllabus.load().lesson("13").teaching_minutes == 30


def test_a_class_of_the_measured_size_needs_the_measured_memory():
    need = sizing.compute_need(BY_HAND, 10)
    assert need.measured
    assert need.kernels_gigabytes == pytest.approx(4300 / 1024)
    assert need.servers_gigabytes == pytest.approx(10 * 90 / 1024)


def test_each_further_learner_adds_the_memory_that_kernels_do_not_share():
    need = sizing.compute_need(BY_HAND, 30)
    assert not need.measured
    assert need.kernels_gigabytes == pytest.approx((4300 + 20 * 400) / 1024)
    assert need.servers_gigabytes == pytest.approx(30 * 90 / 1024)


@pytest.mark.parametrize(
    ("learners", "at_once", "in_class"),
    [
        (1, 2, 2),  # 36 s ÷ 40 s; no fewer than the two that were measured
        (10, 9, 2),  # 360 s ÷ 40 s; 360 s ÷ 1,800 s ÷ one half
        (30, 27, 2),  # 1,080 s ÷ 40 s; 1,080 s ÷ 1,800 s ÷ one half = 1.2
        (100, 90, 4),  # 3,600 s ÷ 40 s; 3,600 s ÷ 1,800 s ÷ one half
        (101, 91, 5),  # a part of a core is a core
    ],
)
def test_cores_for_all_at_once_and_for_a_class_that_reads(learners, at_once, in_class):
    need = sizing.compute_need(BY_HAND, learners)
    assert (need.cores_at_once, need.cores_in_class) == (at_once, in_class)


def test_the_share_of_time_in_which_cells_run():
    assert sizing.running_share(BY_HAND) == pytest.approx(20 / 1800)


def test_a_record_without_a_single_learner_is_an_error():
    crowd = dataclasses.replace(BY_HAND, loads=BY_HAND.loads[1:])
    with pytest.raises(ValueError, match="one learner alone"):
        sizing.compute_need(crowd, 10)


def test_the_tables_mark_each_number_as_measured_or_computed():
    text = tables.markdown(BY_HAND)
    rows = [line for line in text.splitlines() if line.startswith("| 10")]
    assert rows == [
        "| 10 | 10 | 10 | 180 | 180 | 36 | 4,300 |",
        "| 10 | 4.2 measured | 0.9 computed | 9 computed | 2 computed |",
        "| 100 | 39.4 computed | 8.8 computed | 90 computed | 4 computed |",
    ]
    assert "on 2 cores (Some processor) with 16 GB." in text
    assert "1.1% of the time (20 s of 30 minutes)" in text
    assert "learners × 36 s of processor time ÷ (2 × 20 s)" in text


def test_what_ready_kernels_need_is_said_to_be_of_one_server():
    shared = "All kernels are of one server and share its imports"
    assert shared not in tables.markdown(BY_HAND)
    ready = dataclasses.replace(BY_HAND, kernel="ready")
    assert shared in tables.markdown(ready)


def test_a_record_is_the_same_after_writing_and_reading(tmp_path):
    file = tmp_path / "new" / "record.json"
    records.write(BY_HAND, file)
    assert records.parse(file.read_text("utf-8")) == BY_HAND


def test_a_new_record_says_where_when_and_with_what():
    record = records.new_record("13", BY_HAND.loads[::-1])
    assert [load.learners for load in record.loads] == [1, 10]
    assert record.machine.cores >= 1
    assert record.machine.processor
    assert {"python", "torch", "jupyter_server"} <= set(record.versions)
