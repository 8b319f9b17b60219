"""What exercises 5.1 and 5.2 cannot show of the checks behind them."""

import itertools
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_05 import determinism
from course_utils.exercises.lesson_05.determinism import (
    depends_on_the_seed_alone,
    same_gradients_on_two_threads,
    same_seed_same_bits,
)
from course_utils.experiments import preserve_global_state

SHARED = torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _leave_no_trace():
    with preserve_global_state():
        yield


def seeded(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def net():
    return nn.Linear(3, 2)


def all_seeded(seed):
    seeded(seed)
    model = net()
    with torch.no_grad():
        model.bias += random.random() + np.random.random()
    return model


def own_generator(seed):
    return torch.randn(4, generator=torch.Generator().manual_seed(seed))


def state_dict(seed):
    return all_seeded(seed).state_dict()


def numpy_forgotten(seed):
    torch.manual_seed(seed)
    return torch.rand(3) + np.random.random()


def python_forgotten(seed):
    torch.manual_seed(seed)
    return torch.rand(3) + random.random()


def shared_generator(seed):
    torch.manual_seed(seed)
    return torch.rand(3), torch.rand(3, generator=SHARED)


LEAKS = {
    numpy_forgotten: "as the global state of NumPy's generator began otherwise.",
    python_forgotten: "as the global state of Python's generator began otherwise.",
    shared_generator: "though all global generators began in the same state.",
}


@pytest.mark.parametrize("train", [all_seeded, own_generator, state_dict])
def test_a_function_of_its_seed_passes_both_questions(train):
    assert [finding.ok for finding in depends_on_the_seed_alone(train)] == [True, True]


@pytest.mark.parametrize("train", LEAKS)
def test_a_leak_makes_two_runs_differ(train):
    finding = same_seed_same_bits(train)
    assert finding.ok is False
    assert LEAKS[train] in finding.seen


def test_the_number_of_differing_tensors_is_told():
    finding = same_seed_same_bits(shared_generator)
    assert "1 of 2 tensors different" in finding.seen


def test_a_network_that_gets_another_layer_differs():
    sizes = itertools.cycle([2, 3])

    def train(seed):
        seeded(seed)
        return nn.Sequential(*(nn.Linear(2, 2) for _ in range(next(sizes))))

    assert same_seed_same_bits(train).ok is False


@pytest.mark.parametrize("nothing", [None, 0.5, [], {}])
def test_a_function_that_returns_no_tensors_is_told_so(nothing):
    with pytest.raises(LearnerError, match="return it"):
        same_seed_same_bits(lambda seed: nothing)


class Table(nn.Module):
    """Looks up 2,000 rows of a small table, in the way of a subclass."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 16))

    def forward(self, rows):
        return self.look_up(rows).mean(1)[:, :3]

    def look_up(self, rows):
        raise NotImplementedError


class Brackets(Table):
    def look_up(self, rows):
        return self.table[rows]


class Drops(Table):
    def look_up(self, rows):
        return F.dropout(F.embedding(rows, self.table), 0.5)


def rows_and_labels():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(4, (64, 2000), generator=generator)
    return rows, torch.arange(64) % 3


def test_random_numbers_are_the_same_in_each_repetition():
    finding = same_gradients_on_two_threads(Drops(), rows_and_labels())
    assert finding.ok, finding


def test_mode_and_threads_are_put_back():
    torch.use_deterministic_algorithms(True)
    threads = torch.get_num_threads()
    same_gradients_on_two_threads(Brackets(), rows_and_labels(), repeats=2)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads


def test_mode_and_threads_are_put_back_after_an_error():
    with pytest.raises(LearnerError, match="NotImplementedError"):
        same_gradients_on_two_threads(Table(), rows_and_labels())
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_race_is_recognized_where_it_happens_to_give_the_same_bits(monkeypatch):
    monkeypatch.setattr(determinism, "_differ", lambda first, second: 0)
    finding = same_gradients_on_two_threads(Brackets(), rows_and_labels(), repeats=2)
    assert finding.ok is False
    assert "is summed by index_put_ with accumulate=True" in finding.seen
