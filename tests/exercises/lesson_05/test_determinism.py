"""Functions that train, reproducible or not, and gradients with and without a race."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_05.determinism import (
    depends_on_the_seed_alone,
    other_seed_other_bits,
    same_gradients_on_two_threads,
    same_seed_same_bits,
)
from course_utils.experiments.global_state import preserved

SHARED = torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _leave_no_trace():
    with preserved():
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


def seeded_late(seed):
    model = net()
    seeded(seed)
    return model


def numpy_forgotten(seed):
    torch.manual_seed(seed)
    return torch.rand(3) + np.random.random()


def python_forgotten(seed):
    torch.manual_seed(seed)
    return torch.rand(3) + random.random()


def shared_generator(seed):
    torch.manual_seed(seed)
    return torch.rand(3), torch.rand(3, generator=SHARED)


def renamed_only(number):
    layer = net()
    torch.manual_seed(number)
    return layer


def seed_ignored(seed):
    return all_seeded(42)


@pytest.mark.parametrize("train", [all_seeded, own_generator, state_dict])
def test_a_function_of_its_seed_passes_both_questions(train):
    assert [finding.ok for finding in depends_on_the_seed_alone(train)] == [True, True]


@pytest.mark.parametrize(
    "train",
    [seeded_late, numpy_forgotten, python_forgotten, shared_generator, renamed_only],
)
def test_a_leak_makes_two_runs_differ(train):
    finding = same_seed_same_bits(train)
    assert finding.ok is False
    assert "Seed every generator" in finding.remedy


def test_the_number_of_differing_tensors_is_told():
    finding = same_seed_same_bits(shared_generator)
    assert "1 of 2 tensors different" in finding.seen


def test_a_seed_that_is_ignored_is_found():
    assert same_seed_same_bits(seed_ignored).ok
    finding = other_seed_other_bits(seed_ignored)
    assert (finding.ok, finding.seen) == (
        False,
        "Seeds 3 and 4 end with the very same weights.",
    )


def test_a_network_that_was_kept_is_not_trained_again():
    kept = all_seeded(3)
    finding = same_seed_same_bits(lambda seed: kept)
    assert (finding.ok, "very object" in finding.seen) == (False, True)


def test_a_network_that_gets_another_layer_differs():
    sizes = iter([2, 3])

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


class Clones(Table):
    def look_up(self, rows):
        return self.table.clone()[rows].contiguous()


class Embeds(Table):
    def look_up(self, rows):
        return F.embedding(rows, self.table)


class Selects(Table):
    def look_up(self, rows):
        return self.table.index_select(0, rows.flatten()).view(*rows.shape, -1)


class Multiplies(Table):
    def look_up(self, rows):
        return F.one_hot(rows, 4).float() @ self.table


class Drops(Embeds):
    def look_up(self, rows):
        return F.dropout(super().look_up(rows), 0.5)


class Switches(Brackets):
    def look_up(self, rows):
        torch.use_deterministic_algorithms(True)
        return super().look_up(rows)


def rows_and_labels():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(4, (64, 2000), generator=generator)
    return rows, torch.arange(64) % 3


@pytest.mark.parametrize("kind", [Embeds, Selects, Multiplies, Drops])
def test_an_operation_with_one_order_gives_one_gradient(kind):
    finding = same_gradients_on_two_threads(kind(), rows_and_labels())
    assert finding.ok, finding


@pytest.mark.parametrize("kind", [Brackets, Clones])
def test_an_operation_with_a_race_gives_other_bits(kind):
    finding = same_gradients_on_two_threads(kind(), rows_and_labels())
    assert finding.ok is False
    assert "repetitions of one gradient gave other bits" in finding.seen


def test_a_mode_switched_on_inside_does_not_help():
    finding = same_gradients_on_two_threads(Switches(), rows_and_labels())
    assert (finding.ok, "switched deterministic mode on" in finding.seen) == (
        False,
        True,
    )


@pytest.mark.parametrize("kind", [Brackets, Switches])
def test_mode_and_threads_are_put_back(kind):
    torch.use_deterministic_algorithms(True)
    threads = torch.get_num_threads()
    same_gradients_on_two_threads(kind(), rows_and_labels(), repeats=2)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads


def test_mode_and_threads_are_put_back_after_an_error():
    with pytest.raises(LearnerError, match="NotImplementedError"):
        same_gradients_on_two_threads(Table(), rows_and_labels())
    assert not torch.are_deterministic_algorithms_enabled()


class OneThread(Brackets):
    def look_up(self, rows):
        torch.set_num_threads(1)
        return super().look_up(rows)


def test_a_module_that_sends_the_second_thread_home_is_told_so():
    batch = torch.zeros(8, 8, dtype=torch.long), torch.zeros(8, dtype=torch.long)
    finding = same_gradients_on_two_threads(OneThread(), batch)
    assert (finding.ok, "number of threads" in finding.seen) == (False, True)
