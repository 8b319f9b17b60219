"""Steps that save little and much for backward, and what is said about them."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.exercises.lesson_07.saved_for_backward import (
    adds_few_operations,
    cost_of_step,
    lowers_the_peak,
    same_gradients,
    saved_for_backward,
)

pytestmark = pytest.mark.slow

FLOAT = 4  # bytes
BATCH = (torch.rand(512, 32), torch.zeros(512, 32))


class Net(L.LightningModule):
    """Nine blocks; ``how`` says how the forward pass goes through them."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.how = how
        self.blocks = nn.Sequential(
            *(nn.Sequential(nn.Linear(32, 32), nn.GELU()) for _ in range(9))
        )

    def forward(self, x):
        return self.how(self.blocks, x)

    def training_step(self, batch, batch_idx):
        return (self(batch[0]) - batch[1]).square().mean()


def grouped(size, reentrant=False):
    def forward(blocks, x):
        x = blocks[0](x)  # its input needs no gradient, reentrant groups do
        for i in range(1, 9, size):
            x = checkpoint(blocks[i : i + size], x, use_reentrant=reentrant)
        return x

    return forward


def plain(blocks, x):
    return blocks(x)


def renamed(layers, hidden):
    for layer in layers:
        hidden = layer(hidden)
    return hidden


def in_evaluation_mode(blocks, x):
    return blocks(x) if blocks.training else grouped(2)(blocks, x)


def without_gradient(blocks, x):
    return grouped(2, reentrant=True)(blocks, x.detach()).detach() * blocks[0][0].bias


def half_precise(blocks, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return blocks(x).float()


TABLE = {  # forward: same gradients, a peak of 70 % at most, 10 % more operations
    "plain": (plain, True, False, True),
    "renamed": (renamed, True, False, True),
    "recomputes when nobody trains": (in_evaluation_mode, True, False, True),
    "pairs": (grouped(2), True, True, False),
    "pairs, reentrant": (grouped(2, reentrant=True), True, True, False),
    "all at once": (grouped(8), True, False, False),
    "in bfloat16": (half_precise, False, True, True),
}


@pytest.mark.parametrize(("how", *["same", "low", "few"]), TABLE.values(), ids=TABLE)
def test_a_step_is_held_against_the_plain_one(how, same, low, few):
    cost, reference = cost_of_step(Net(how), BATCH), cost_of_step(Net(plain), BATCH)
    assert same_gradients(cost, reference).ok is same
    assert lowers_the_peak(cost, reference, 0.7).ok is low
    assert adds_few_operations(cost, reference, 0.1).ok is few


def test_gradients_that_are_gone_are_counted():
    cost = cost_of_step(Net(without_gradient), BATCH)
    finding = same_gradients(cost, cost_of_step(Net(plain), BATCH))
    assert "17 of 18 weight tensors get no gradient any more." in finding.seen


def test_one_group_is_told_from_no_group():
    reference = cost_of_step(Net(plain), BATCH)
    at_once = lowers_the_peak(cost_of_step(Net(grouped(8)), BATCH), reference, 0.7)
    none = lowers_the_peak(reference, reference, 0.7)
    assert "too much again at once" in at_once.remedy
    assert "Too much waits for backward" in none.remedy


def test_the_module_has_no_gradients_afterwards():
    module = Net(plain)
    cost_of_step(module, BATCH)
    assert all(p.grad is None for p in module.parameters())


def test_a_linear_layer_saves_its_input_or_copies_of_input_and_weight():
    layer = nn.Linear(32, 16)
    images = torch.rand(8, 32, requires_grad=True)
    assert saved_for_backward(layer, images, "32-true") == 8 * 32 * FLOAT
    assert saved_for_backward(layer, images, "bf16-mixed") == (8 + 16) * 32 * 2


def test_without_a_gradient_for_the_input_no_weight_is_copied():
    layer, images = nn.Linear(32, 16), torch.rand(8, 32)
    assert saved_for_backward(layer, images, "bf16-mixed") == 8 * 32 * 2


def test_an_error_is_the_learners():
    with pytest.raises(LearnerError, match="training_step raised"):
        cost_of_step(Net(lambda blocks, x: blocks(x[:, :3])), BATCH)


def test_a_detached_loss_is_the_learners():
    with pytest.raises(LearnerError, match="the loss has no gradient"):
        cost_of_step(Net(lambda blocks, x: blocks(x).detach()), BATCH)


def test_a_step_that_asks_its_trainer_cannot_be_checked():
    class Asks(Net):
        def training_step(self, batch, batch_idx):
            return self.trainer.global_step

    with pytest.raises(CannotCheck):
        cost_of_step(Asks(plain), BATCH)
