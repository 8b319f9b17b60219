"""What a training step does to its batch."""

import copy
from collections import UserDict
from types import SimpleNamespace

import pytest
import torch
from learner import answer, denoiser
from torch import nn

from course_utils.checks.learner_code import LearnerError
from course_utils.checks.training_step import step, tensors_in

TRAIN = "def training_step(self, batch, batch_idx):\n    images, _ = batch\n"
MSE = "    return F.mse_loss(self({}), images.flatten(1))"


def _module(body: str):
    return answer(denoiser(TRAIN + body))()


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(4, 1, 28, 28), torch.arange(4)


def test_tensors_are_found_in_nested_batches():
    a, b, c = torch.zeros(1), torch.zeros(2), torch.zeros(3)
    assert tensors_in({"x": [a, (b, "name")], "y": c}) == [a, b, c]


def test_tensors_are_found_in_objects_that_may_name_each_other():
    a, b = torch.zeros(1), torch.zeros(2)
    batch, part = SimpleNamespace(x=a, net=nn.Linear(1, 1)), SimpleNamespace(y=b)
    batch.part, part.whole = UserDict(part=part), batch
    assert tensors_in(batch) == [a, b]


def test_a_step_shows_loss_and_what_the_network_saw():
    module, batch = _module(MSE.format("1 - images")), _batch()
    loss, saw = step(module, batch)
    expected = (module(1 - batch[0]) - batch[0].flatten(1)).square().mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(saw, 1 - batch[0])


def test_a_look_without_gradients_is_not_what_the_network_trains_on():
    look = "    with torch.no_grad():\n        self(images)\n"
    batch = _batch()
    _, saw = step(_module(look + MSE.format("images * 0.5")), batch)
    torch.testing.assert_close(saw, batch[0] * 0.5)


@pytest.mark.parametrize(
    "draw", ["random.random()", "np.random.rand()", "torch.rand(()).item()"]
)
def test_one_seed_is_one_draw_of_every_generator(draw):
    module = _module(f"    return self(images).sum() * 0 + {draw}")
    batch = _batch()
    first, again, other = (step(module, batch, seed)[0] for seed in (0, 0, 1))
    assert first == again != other


def test_a_step_without_a_loss_is_the_learners_error():
    with pytest.raises(LearnerError, match="returned NoneType instead of a loss"):
        step(_module("    return {'lost': 1}"), _batch())


def test_a_step_finds_a_trainer_its_hooks_and_its_own_backward_pass():
    body = """    loss = (self.trainer.current_epoch + batch_idx) * self(batch[0]).sum()
    self.manual_backward(loss)
def on_after_batch_transfer(self, batch, dataloader_idx):
    return 0 * batch[0] + 1, batch[1]
"""
    module = _module(body)
    module.automatic_optimization = False
    loss, saw = step(module, _batch(), seed=2)
    assert saw.eq(1).all()
    torch.testing.assert_close(loss, 2 * module(saw).sum())
    assert vars(copy.deepcopy(module)).keys() == vars(_module(body)).keys()


def test_a_backward_pass_without_lightnings_help_tells_its_loss_too():
    module = _module("    self(images).sum().backward()")
    module.automatic_optimization = False
    batch = _batch()
    loss, _ = step(module, batch)
    torch.testing.assert_close(loss, module(batch[0]).sum())
    assert all(p.grad is None for p in module.parameters())


def test_callbacks_of_the_module_see_the_batch_before_the_step():
    body = """    return self(images).sum()
def configure_callbacks(self):
    class Darkens(L.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            batch[0].mul_(0.5)
    return Darkens()
"""
    batch = _batch()
    before = batch[0].clone()
    _, saw = step(_module(body), batch)
    torch.testing.assert_close(saw, before / 2)
