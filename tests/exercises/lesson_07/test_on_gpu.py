"""What lesson 07 measures on a GPU, run on a CPU, where its memory counters are 0."""

import pytest
import torch

from course_utils.exercises.lesson_07 import cache_on_gpu, on_gpu, speed_on_gpu


def test_training_is_timed_and_settings_are_put_back():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    tiny = {"pixels": 32, "count": 4, "warm_up": 1, "timed": 2}
    found = on_gpu.training_speed("bf16-mixed", True, **tiny)
    assert set(found) == {"images per second", "allocated (MB)", "reserved (MB)"}
    assert 0 <= found["images per second"] < 10_000  # rounded
    after = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    assert after == before


def test_only_the_batches_after_the_warm_up_are_timed(monkeypatch):
    times = iter([10.0, 14.0])
    monkeypatch.setattr(on_gpu.time, "perf_counter", lambda: next(times))
    clock = on_gpu._Clock(warm_up=2, last=4)
    for batch_idx in range(6):
        clock.on_train_batch_start(None, None, None, batch_idx)
        clock.on_train_batch_end(None, None, None, None, batch_idx)
    assert clock.seconds == 4.0


def test_the_stages_of_the_allocator_hold_what_they_say(monkeypatch):
    held = []
    monkeypatch.setattr(on_gpu, "_megabytes", lambda size: held.append(size) or size)
    asked = []
    for stage in on_gpu._allocator().values():
        stage()
        asked.append(sum(held))
    assert asked == [400, 400, 400, 600, 600, 600]


@pytest.mark.parametrize("table", [speed_on_gpu, cache_on_gpu])
def test_without_gpu_and_record_a_table_says_that_nobody_measured(table, monkeypatch):
    monkeypatch.setattr("course_utils.experiments.gpu_record.load", dict)
    assert table() == "Nobody has measured this on a GPU yet."
