"""Functions with and without a finite slope, held against known derivatives."""

import pytest
import torch

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_06.finite_gradients import (
    finite_gradients,
    same_as,
    value_and_gradient,
)

ROWS = torch.tensor([[0.0, 4.0], [1.0, 9.0]])
FULL = torch.tensor([[1.0, 4.0], [16.0, 9.0]])


def where_after(x):
    return torch.where(x > 0, x.sqrt(), 0.0)


def where_before(x):
    return torch.where(x > 0, torch.where(x > 0, x, 1.0).sqrt(), 0.0)


def masked(x):
    return torch.zeros_like(x).masked_scatter(x > 0, x[x > 0].sqrt())


def clamped(x):
    return x.clamp(min=1e-12).sqrt()


def cleaned_value(x):
    return (x.sqrt() * (x > 0)).nan_to_num()


def detached(x):
    return where_before(x).detach() + 0 * x


def with_epsilon(x):
    return (x + 1e-2).sqrt()


def plain(x):
    return x.sqrt()


FINITE = [where_before, masked, clamped, detached, with_epsilon]
SAME = [where_after, where_before, masked, clamped, cleaned_value, plain]


@pytest.mark.parametrize("function", FINITE)
def test_a_finite_slope_is_told_from(function):
    assert finite_gradients(function, ROWS, "rows").ok is True


@pytest.mark.parametrize("function", [where_after, cleaned_value, plain])
def test_an_infinite_or_undefined_slope(function):
    finding = finite_gradients(function, ROWS, "rows with a zero")
    assert finding.ok is False
    assert finding.seen == "For rows with a zero, 1 of 2 gradients are not finite."


@pytest.mark.parametrize("function", SAME)
def test_elsewhere_values_and_gradients_are_those_of_the_reference(function):
    values, gradients = same_as(function, plain, FULL, "rows")
    assert (values.ok, gradients.ok) == (True, True)


def test_an_epsilon_changes_the_values():
    values, _ = same_as(with_epsilon, plain, FULL, "ordinary rows")
    assert values.ok is False
    assert values.seen == "For ordinary rows, the values are other ones."


def test_detaching_changes_the_gradients_only():
    values, gradients = same_as(detached, plain, FULL, "rows")
    assert (values.ok, gradients.ok) == (True, False)


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


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: [x], "Expected a tensor but got list"),
        (lambda x: x.detach(), "no gradient"),
        (lambda x: torch.ones(1, requires_grad=True) * 2, "does not depend"),
    ],
    ids=["list", "detached", "constant"],
)
def test_what_cannot_be_asked_is_the_learners_error(function, message):
    with pytest.raises(LearnerError, match=message):
        value_and_gradient(function, FULL)


def test_gradients_are_asked_for_also_where_they_are_switched_off():
    with torch.no_grad():
        assert finite_gradients(plain, FULL, "rows").ok is True
