"""What exercise 1.1 cannot show of the checks behind it: odd flags, manual replicas."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from course_utils.exercises.lesson_01.replicas import replicas, replicas_agree
from course_utils.exercises.lesson_01.trainer_flags import (
    obeys_accumulation,
    obeys_clipping,
)

pytestmark = pytest.mark.slow

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(64, 6, generator=GENERATOR)
LABELS = torch.arange(64) % 3
BATCHES = list(zip(IMAGES.split(8), LABELS.split(8), strict=True))


class Base(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(6, 3)

    def loss(self, batch):
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def sgd(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


class HandsOver(Base):
    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def configure_optimizers(self):
        return self.sgd()


class OwnsTheOptimizer(HandsOver):
    def __init__(self):
        super().__init__()
        self.mine = self.sgd()

    def configure_optimizers(self):
        return self.mine


class ClipsThroughTheHook(HandsOver):
    def configure_gradient_clipping(
        self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None
    ):
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)


class NoLoss(HandsOver):
    def training_step(self, batch, batch_idx):
        self.loss(batch)


class Manual(HandsOver):
    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.loss(batch))
        optimizer.step()


class ManualWithoutLightning(HandsOver):
    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.loss(batch).backward()
        optimizer.step()


@pytest.mark.parametrize("every", [3, 8])
def test_a_module_that_hands_over_updates_as_told(every):
    finding = obeys_accumulation(HandsOver, BATCHES, every)
    assert finding.ok is True, finding
    made = -(-len(BATCHES) // every)
    assert f"made {made} updates in 8 batches; the Trainer asked for {made}." in str(
        finding
    )


def test_a_module_that_clips_through_the_hook_is_clipped():
    assert obeys_clipping(ClipsThroughTheHook, BATCHES, norm=0.05).ok is True


def test_weights_moved_at_the_wrong_batch_are_found_though_the_number_fits():
    class Early(OwnsTheOptimizer):
        def training_step(self, batch, batch_idx):
            self.loss(batch).backward()
            if batch_idx in (0, 4):
                self.mine.step()

        def configure_optimizers(self):
            return None

    finding = obeys_accumulation(Early, BATCHES, 4)
    assert finding.ok is False
    assert "the weights change at other batches than" in finding.seen


def test_without_an_update_nothing_was_clipped():
    finding = obeys_clipping(NoLoss, BATCHES)
    assert (finding.ok, finding.seen) == (False, "The optimizer made no update.")


def test_gradients_that_are_short_anyway_decide_nothing():
    finding = obeys_clipping(HandsOver, BATCHES, norm=1e6)
    assert finding.ok is None
    assert finding.remedy == "Ask again with a norm below 1000000.0."


DATA = TensorDataset(IMAGES, LABELS)


@pytest.mark.parametrize("module", [HandsOver, OwnsTheOptimizer, Manual])
def test_replicas_that_share_gradients_are_equal(module):
    finding = replicas_agree(module, DATA, batch_size=8)
    assert finding.ok is True, finding


def test_replicas_without_manual_backward_drift_apart():
    finding = replicas_agree(ManualWithoutLightning, DATA, batch_size=8)
    assert finding.ok is False
    assert finding.seen.startswith("With 2 processes the weights end up to 0.")


def test_two_processes_end_where_one_with_twice_the_batch_does():
    first, second = replicas(HandsOver, DATA, batch_size=8)
    [alone] = replicas(HandsOver, DATA, batch_size=16, processes=1)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, alone)
