"""What exercise 6.4 cannot show of the check behind it."""

import pytest
import torch

from course_utils.checks.fit import fit
from course_utils.exercises.lesson_06 import memory_tests
from course_utils.exercises.lesson_06.memory_tests import Memorizes

pytestmark = pytest.mark.slow


def accuracy_after(kind, steps, seed):
    torch.manual_seed(seed)
    module = kind()
    inputs = torch.randn(memory_tests.SIZE, 16)
    labels = torch.randint(memory_tests.CLASSES, (memory_tests.SIZE,))
    fit(module, [(inputs, labels)] * steps)
    return (module(inputs).argmax(1) == labels).float().mean().item()


@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_module_knows_its_batch_well_before_the_limit(seed):
    assert accuracy_after(Memorizes, 90, seed) == 1


@pytest.mark.parametrize("kind", [memory_tests._Detaches, memory_tests._Reorders])
@pytest.mark.parametrize("seed", range(5))
def test_a_broken_module_is_far_from_knowing_it_at_the_limit(kind, seed):
    assert accuracy_after(kind, memory_tests.MOST_STEPS, seed) < 0.75


def test_the_cases_cover_each_answer():
    wrong = [case.wrong for case in memory_tests._cases()]
    for answer in ("True", "False", "raises"):
        assert any(answer in each for each in wrong)
        assert any(answer not in each for each in wrong)
