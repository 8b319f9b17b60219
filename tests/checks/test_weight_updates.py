"""What training does to the weights, seen batch by batch."""

import pytest
import torch
from learner import answer, classifier

from course_utils.checks.learner_code import LearnerError
from course_utils.checks.weight_updates import (
    lowers_cross_entropy,
    updates,
)
from course_utils.measure import flat_weights

STEP = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    loss = F.cross_entropy(self(images), labels)
    return {}
"""


def _batches(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    labels = [torch.arange(8) % 10 for _ in range(count)]
    return [(torch.rand(8, 1, 28, 28, generator=generator), y) for y in labels]


def _module(returned: str):
    return answer(classifier(STEP.format(returned)))()


def test_a_batch_whose_step_returns_none_changes_nothing():
    found = updates(_module("loss if batch_idx != 1 else None"), _batches(3))
    assert found.changed == [True, False, True]
    assert all(found.finite)


def test_one_sgd_update_is_the_gradient_by_hand():
    source = classifier(
        STEP.format("loss") + "def configure_optimizers(self):\n"
        "    return torch.optim.SGD(self.parameters(), lr=0.5)"
    )
    module = answer(source)()
    (images, labels) = _batches(1)[0]
    loss = torch.nn.functional.cross_entropy(module(images), labels)
    gradients = torch.autograd.grad(loss, list(module.parameters()))
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    expected = flat_weights(module) - 0.5 * flat
    updates(module, [(images, labels)])
    torch.testing.assert_close(flat_weights(module), expected)


def test_weights_that_became_nan_are_not_finite():
    found = updates(_module("loss * float('nan')"), _batches(1))
    assert (found.changed, found.finite) == ([True], [False])


def test_an_error_in_training_is_the_learners():
    with pytest.raises(LearnerError, match=r"Training raised NameError: .* \(line 5"):
        updates(_module("lost"), _batches(1))


@pytest.mark.parametrize(("returned", "ok"), [("loss", True), ("-loss", False)])
def test_cross_entropy_falls_only_if_training_goes_down(returned, ok):
    assert lowers_cross_entropy(_module(returned), _batches(4)).ok is ok


def test_measuring_the_cross_entropy_leaves_a_frozen_part_in_evaluation_mode():
    module = _module("loss")
    module.frozen = torch.nn.Dropout().eval()
    lowers_cross_entropy(module, _batches(1))
    assert (module.training, module.frozen.training) == (True, False)
