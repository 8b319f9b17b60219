"""What exercise 1.3 cannot show: the check leaves no trace, and copies count."""

import copy

import lightning as L
import pytest
import torch
from torch import nn

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_01.encoder_reuse import (
    flat_encoder,
    uses_part,
)

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(32, 1, 4, 4, generator=GENERATOR)


class Base(L.LightningModule):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = self.take(encoder)
        self.head = nn.Linear(5, 3)

    def take(self, encoder):
        return encoder

    def forward(self, images):
        return self.head(self.encoder(images))


class Frozen(Base):
    def take(self, encoder):
        return encoder.requires_grad_(False).eval()


class ReturnsATuple(Frozen):
    def forward(self, images):
        return self.head(self.encoder(images)), None


def built(kind):
    torch.manual_seed(0)
    encoder = flat_encoder(5, pixels=16)
    return kind(encoder), encoder


def test_asking_leaves_weights_and_modes_as_they_were():
    module, encoder = built(Frozen)
    before = copy.deepcopy(module.state_dict())
    uses_part(module, encoder, IMAGES)
    assert all(torch.equal(before[n], t) for n, t in module.state_dict().items())
    assert (module.training, module.head.training) == (True, True)
    assert encoder.training is False


def test_an_output_that_is_no_tensor_is_an_error_of_the_module():
    module, encoder = built(ReturnsATuple)
    with pytest.raises(LearnerError, match="expected a tensor but got tuple"):
        uses_part(module, encoder, IMAGES)


def test_copies_of_a_part_count_for_it():
    encoder = flat_encoder(5, pixels=16)
    copy.deepcopy(encoder)(IMAGES)
    encoder(IMAGES)
    assert encoder.calls.count == 2
