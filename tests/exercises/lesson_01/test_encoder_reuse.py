"""Which ways of taking a part use it, and which leave it as it was."""

import copy

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.checks.learner_code import LearnerError
from course_utils.checks.sample_data import output_of
from course_utils.exercises.lesson_01.encoder_reuse import (
    CountedEncoder,
    stays_frozen,
    uses_part,
)

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(32, 1, 4, 4, generator=GENERATOR)
BATCHES = [(images, torch.arange(8) % 3) for images in IMAGES.split(8)]


class Base(L.LightningModule):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = self.take(encoder)
        self.head = nn.Linear(5, 3)

    def take(self, encoder):
        return encoder

    def forward(self, images):
        return self.head(self.encoder(images))

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.1, weight_decay=0.1)


class Frozen(Base):
    def take(self, encoder):
        return encoder.requires_grad_(False).eval()


class FrozenCopy(Base):
    def take(self, encoder):
        return copy.deepcopy(encoder).requires_grad_(False).eval()


class InAList(Frozen):
    def take(self, encoder):
        return [super().take(encoder)]

    def forward(self, images):
        return self.head(self.encoder[0](images))


class EvalEachEpoch(Base):
    def take(self, encoder):
        return encoder.requires_grad_(False)

    def on_train_epoch_start(self):
        self.encoder.eval()


class WeightsOnly(Base):
    def take(self, encoder):
        return encoder.requires_grad_(False)


class HeadOnly(Base):
    def configure_optimizers(self):
        return torch.optim.Adam(self.head.parameters(), lr=0.1)


class TrainedCopy(Base):
    def take(self, encoder):
        return copy.deepcopy(encoder)


class OwnEncoder(Base):
    def take(self, encoder):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 5)).requires_grad_(False)


class IgnoresTheResult(Frozen):
    def forward(self, images):
        self.encoder(images)
        return self.head(images.flatten(1)[:, :5])


class Breaks(Frozen):
    def forward(self, images):
        raise KeyError("x")


class ReturnsATuple(Frozen):
    def forward(self, images):
        return self.head(self.encoder(images)), None


def built(kind):
    torch.manual_seed(0)
    encoder = CountedEncoder(5, pixels=16)
    return kind(encoder), encoder


USES = (Base, Frozen, FrozenCopy, InAList, EvalEachEpoch, WeightsOnly, TrainedCopy)
DOES_NOT = {
    OwnEncoder: "The forward pass never calls the part that was handed over. Keep it",
    IgnoresTheResult: "The output does not depend on the given part. Compute the",
}


@pytest.mark.parametrize("kind", USES)
def test_a_part_or_its_copy_is_used(kind):
    module, encoder = built(kind)
    assert uses_part(module, encoder, IMAGES).ok is True


@pytest.mark.parametrize(("kind", "words"), DOES_NOT.items())
def test_a_part_that_is_not_used_is_named(kind, words):
    module, encoder = built(kind)
    finding = uses_part(module, encoder, IMAGES)
    assert finding.ok is False
    assert words in str(finding)


def test_asking_leaves_weights_and_modes_as_they_were():
    module, encoder = built(Frozen)
    before = copy.deepcopy(module.state_dict())
    uses_part(module, encoder, IMAGES)
    assert all(torch.equal(before[n], t) for n, t in module.state_dict().items())
    assert (module.training, module.head.training) == (True, True)
    assert encoder.training is False


@pytest.mark.parametrize("kind", [Frozen, FrozenCopy, InAList, EvalEachEpoch])
def test_a_frozen_part_stays_to_the_bit(kind):
    module, encoder = built(kind)
    head = module.head.weight.detach().clone()
    assert stays_frozen(module, encoder, BATCHES).ok is True
    assert not torch.equal(head, module.head.weight)


BUFFERS = (
    "Training changed norm.num_batches_tracked, norm.running_mean, norm.running_var of "
    "the part. These are buffers that training mode updates: put the part into "
    "evaluation mode."
)
THAWS = {
    Base: "Training changed mix.bias, mix.weight, norm.bias,",
    TrainedCopy: "Freeze its weights: requires_grad_(False) on the part.",
    WeightsOnly: BUFFERS,
    HeadOnly: BUFFERS,
}


@pytest.mark.parametrize(("kind", "words"), THAWS.items())
def test_a_part_that_thaws_is_named_with_its_tensors(kind, words):
    module, encoder = built(kind)
    finding = stays_frozen(module, encoder, BATCHES)
    assert finding.ok is False
    assert words in str(finding)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Breaks, r"forward raised KeyError: 'x' \(line "),
        (ReturnsATuple, "forward raised TypeError: expected a tensor but got tuple"),
    ],
)
def test_an_error_in_forward_is_the_modules(kind, words):
    module, encoder = built(kind)
    with pytest.raises(LearnerError, match=words):
        uses_part(module, encoder, IMAGES)


def test_copies_of_a_part_count_for_it():
    encoder = CountedEncoder(5, pixels=16)
    copy.deepcopy(encoder)(IMAGES)
    encoder(IMAGES)
    assert encoder.calls.count == 2


def test_an_output_is_that_of_evaluation_mode_and_modes_come_back():
    module = nn.Sequential(nn.Dropout(0.9), nn.Flatten())
    module[1].eval()
    assert torch.equal(output_of(module, IMAGES), IMAGES.flatten(1))
    assert (module.training, module[0].training, module[1].training) == (
        True,
        True,
        False,
    )
