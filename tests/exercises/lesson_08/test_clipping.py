"""Gradients of updates: short, unbent, untouched; held against a plain loop."""

import lightning as L
import pytest
import torch
from torch import nn

from course_utils.exercises.lesson_08.clipping import clips_by_norm
from course_utils.exercises.lesson_08.used_gradients import UsedGradient, used_gradients

# The gradient of each batch is the batch itself: 5 and 0.5 long.
LONG, SHORT = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.3, 0.4]])


class Net(L.LightningModule):
    def __init__(self, clip=None, every=1):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.clip, self.every = clip, every
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        self.manual_backward((self.weight * batch).sum())
        if (batch_idx + 1) % self.every == 0:
            if self.clip:
                self.clip(self.weight)
            self.optimizers().step()
            self.optimizers().zero_grad()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def by_norm(weight):
    nn.utils.clip_grad_norm_(weight, 1.0)


def by_value(weight):
    nn.utils.clip_grad_value_(weight, 0.5)


def one_entry(weight):
    weight.grad[1].clamp_(-0.9, 0.9)
    weight.grad[0].clamp_(-0.3, 0.3)


def always(weight):
    weight.grad /= weight.grad.norm()


def to_nothing(weight):
    weight.grad *= 0.01


def through_data(weight):
    weight.grad = weight.grad * min(1.0, 1.0 / float(weight.grad.norm()))


CLIPS = {  # how it clips: what is asked and found
    "not at all": (None, [False, True, True]),
    "by norm": (by_norm, [True, True, True]),
    "a new tensor": (through_data, [True, True, True]),
    "by value": (by_value, [True, False, True]),
    "one entry": (one_entry, [True, False, True]),
    "always": (always, [True, True, False]),
    "to nothing": (to_nothing, [True, True, False]),
}


@pytest.mark.parametrize(("clip", "oks"), CLIPS.values(), ids=CLIPS)
def test_length_direction_and_short_ones_are_asked(clip, oks):
    used = used_gradients(Net(clip), [LONG, SHORT])
    assert [finding.ok for finding in clips_by_norm(used, 1.0)] == oks


def test_used_gradients_are_those_of_hand_arithmetic():
    first, second = used_gradients(Net(by_norm), [LONG, SHORT])
    assert first.norm == pytest.approx(1.0, rel=1e-4)
    assert (first.raw_norm, first.passes) == (pytest.approx(5.0), 1)
    assert second.norm == second.raw_norm == pytest.approx(0.5)
    assert second.cosine == pytest.approx(1.0)


def test_a_sum_of_two_batches_is_one_update():
    turned = torch.tensor([[-4.0, 3.0]])  # at a right angle: 5 and 5 make 5 * sqrt 2
    (used,) = used_gradients(Net(every=2), [LONG, turned])
    assert (used.raw_norm, used.passes) == (pytest.approx(50**0.5), 2)


class Automatic(Net):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = True

    def training_step(self, batch, batch_idx):
        return (self.weight * batch).sum()


FLAGS = {
    "norm": ({"gradient_clip_val": 1.0}, [True, True, True]),
    "value": (
        {"gradient_clip_val": 0.5, "gradient_clip_algorithm": "value"},
        [True, False, True],
    ),
    "no flag": ({}, [False, True, True]),
}


@pytest.mark.parametrize(("flags", "oks"), FLAGS.values(), ids=FLAGS)
def test_the_flags_of_the_trainer_are_seen(flags, oks):
    used = used_gradients(Automatic(), [LONG, SHORT], **flags)
    assert [finding.ok for finding in clips_by_norm(used, 1.0)] == oks


def test_the_messages_name_update_and_angle():
    long, bent, _ = clips_by_norm([UsedGradient(2.0, 5.0, 0.8, 1)], 1.0)
    assert "update 1 of 1 has a norm of 2.000." in long.seen
    assert "(cosine 0.800)" in bent.seen


def test_without_a_short_gradient_one_question_stays_open():
    *_, short = clips_by_norm([UsedGradient(1.0, 5.0, 1.0, 1)], 1.0)
    assert short.ok is None


def test_no_update_is_no_clipping():
    assert [finding.ok for finding in clips_by_norm([], 1.0)] == [False]


def test_nothing_is_watched_after_the_block():
    module = Net()
    used = used_gradients(module, [LONG])
    (module.weight * LONG).sum().backward()
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    assert len(used) == 1
    assert not module.weight._backward_hooks
