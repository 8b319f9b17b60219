"""Trained networks and the functions that read them."""

import functools

import pytest
import torch
from torch import nn

from course_utils.checks.learner_code import LearnerError
from course_utils.checks.sample_data import logits_of, output_of, quiet_function


@pytest.mark.parametrize("read", [logits_of, output_of])
def test_reading_logits_leaves_a_frozen_part_in_evaluation_mode(read):
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.BatchNorm1d(4))
    module[2].eval()
    images = torch.ones(3, 1, 2, 2)
    first, second = read(module, images), read(module, images)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert [part.training for part in module.modules()] == [True, True, True, False]


def two(first, second, third=0):
    return first, second


class Two(list):
    def __init__(self, first, second):
        super().__init__((first, second))

    def both(self, first, second):
        return first, second

    __call__ = both


CALLABLES = {
    "a function": two,
    "a lambda": lambda *both: both,
    "a partial": functools.partial(two, third=3),
    "a class": Two,
    "an object": Two(0, 0),
    "a method": Two(0, 0).both,
    "a cached function": functools.cache(two),
}


@pytest.mark.parametrize("function", CALLABLES.values(), ids=CALLABLES)
def test_any_callable_is_a_function(function):
    assert tuple(quiet_function(function)(1, 2)) == (1, 2)


@pytest.mark.parametrize("wrong", [7, [two], dict, type("Empty", (), {})])
def test_what_cannot_be_called_with_the_arguments_is_no_function(wrong):
    with pytest.raises(LearnerError, match="Expected a function but got"):
        quiet_function(wrong)(1, 2)
