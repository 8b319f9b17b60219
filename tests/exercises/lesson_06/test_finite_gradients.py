"""What exercise 6.3 cannot show of the check behind it."""

import pytest
import torch

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_06.finite_gradients import (
    finite_gradients,
    same_as,
    value_and_gradient,
)

FULL = torch.tensor([[1.0, 4.0], [16.0, 9.0]])


def plain(x):
    return x.sqrt()


def test_another_shape_is_one_finding():
    [finding] = same_as(lambda x: x.sqrt()[:1], plain, FULL, "rows")
    assert (finding.ok, "(1, 2), not (2, 2)" in finding.seen) == (False, True)


def test_faint_rows_are_compared_on_their_own_scale():
    faint = FULL * 1e-8
    assert same_as(lambda x: x + 1e-9, torch.clone, faint, "rows")[0].ok is False
    assert same_as(lambda x: x * 1.0, torch.clone, faint, "rows")[0].ok is True


def test_the_gradient_is_that_of_a_weighted_sum():
    values, gradient = value_and_gradient(torch.square, FULL)
    assert torch.equal(values, FULL.square())
    weights = gradient / (2 * FULL)
    assert bool(((weights >= 0.5) & (weights <= 1.5)).all())
    assert len(weights.unique()) == 4


def test_gradients_that_would_cancel_in_a_plain_sum_are_seen():
    _, gradient = value_and_gradient(lambda x: x.softmax(1), FULL)
    assert bool(gradient.any())


def test_a_function_may_change_its_argument_in_place():
    before = FULL.clone()
    assert torch.equal(value_and_gradient(lambda x: x.mul_(2), FULL)[0], FULL * 2)
    assert torch.equal(FULL, before)


def test_a_constant_is_the_learners_error():
    with pytest.raises(LearnerError, match="does not depend"):
        value_and_gradient(lambda x: torch.ones(1, requires_grad=True) * 2, FULL)


def test_gradients_are_asked_for_also_where_they_are_switched_off():
    with torch.no_grad():
        assert finite_gradients(plain, FULL, "rows").ok is True
