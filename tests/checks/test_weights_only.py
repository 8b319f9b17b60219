"""What loads from a checkpoint by default, and what is named if it does not."""

import functools
from collections import UserDict
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from course_utils.checks.weights_only import (
    default_safe_globals,
    loads_by_default,
    type_name,
    unloadable_values,
)


class Color(Enum):
    RED = 1


@dataclass
class Box:
    width: int = 1


HEAVY = (
    np.float64(1),
    np.arange(2),
    Path("x"),
    Color.RED,
    Box(),
    range(3),
    slice(2),
    nn.ReLU,
    nn.ReLU(),
    torch.relu,
    functools.partial(torch.relu),
    lambda x: x,
)
PLAIN = (1, 0.5, True, None, "a", [1], (1,), {1}, {"a": 1}, torch.ones(1), torch.int8)


@pytest.mark.parametrize("value", HEAVY, ids=type_name)
def test_does_not_load_by_default(value):
    assert not loads_by_default(value)


@pytest.mark.parametrize("value", PLAIN, ids=type_name)
def test_loads_by_default(value):
    assert loads_by_default(value)


def test_the_innermost_values_that_do_not_load_are_named():
    content = {"a": [1, {"b": range(2), "c": 1}], "d": Path("x"), "e": {"f": "g"}}
    assert unloadable_values(content) == {"b": "range", "d": type_name(Path("x"))}
    assert unloadable_values(content["e"]) == {}


def test_a_container_that_does_not_load_is_named_itself():
    values = {"cfg": UserDict(training={"lr": range(3)})}
    assert unloadable_values(values) == {"cfg": "collections.UserDict"}


def test_what_a_learner_allows_does_not_count_and_is_there_again_afterwards():
    value = np.float64(0.1)
    allowed = [np.dtype, np.dtypes.Float64DType, value.__reduce__()[0]]
    with torch.serialization.safe_globals(allowed):
        assert loads_by_default(value)
        with default_safe_globals():
            assert not loads_by_default(value)
            assert loads_by_default({"error": 1, "tensor": torch.ones(1)})
        assert loads_by_default(value)
