import multiprocessing

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from course_utils.measure.workers import child_workers, worker_processes

DATA = TensorDataset(torch.arange(8.0))


def test_without_workers_no_other_process_serves():
    assert worker_processes(DataLoader(DATA), epochs=2) == set()


def test_workers_start_anew_in_every_epoch():
    assert len(worker_processes(DataLoader(DATA, num_workers=2), epochs=3)) == 6


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_persistent_workers_serve_all_epochs(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    loader = DataLoader(
        DATA, num_workers=2, persistent_workers=True, multiprocessing_context=method
    )
    found = worker_processes(loader, epochs=3)
    assert len(found) == 2
    assert found == {each.pid for each in loader._iterator._workers}


def test_a_process_that_was_there_before_is_not_counted():
    others = DataLoader(DATA, num_workers=1, persistent_workers=True)
    iterator = iter(others)
    assert len(child_workers()) >= 1
    assert worker_processes(DataLoader(DATA), epochs=1) == set()
    del iterator
