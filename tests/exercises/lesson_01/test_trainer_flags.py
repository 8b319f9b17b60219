"""Which ways of writing a module obey the Trainer's flags, on one device and on two."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from course_utils.checks.learner_code import LearnerError
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


class HandsOverADict(HandsOver):
    def training_step(self, batch, batch_idx):
        return {"loss": self.loss(batch)}

    def configure_optimizers(self):
        return {"optimizer": self.sgd()}


class WithAScheduler(HandsOver):
    def configure_optimizers(self):
        sgd = self.sgd()
        return [sgd], [torch.optim.lr_scheduler.StepLR(sgd, 1)]


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


class StepsItself(OwnsTheOptimizer):
    def training_step(self, batch, batch_idx):
        self.mine.zero_grad()
        self.loss(batch).backward()
        self.mine.step()

    def configure_optimizers(self):
        return None


class BothStep(StepsItself):
    def configure_optimizers(self):
        return self.mine


class StepsAndReturns(StepsItself):
    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.mine.zero_grad()
        loss.backward()
        self.mine.step()
        return loss


class EveryFourth(StepsItself):
    def training_step(self, batch, batch_idx):
        self.loss(batch).backward()
        if (batch_idx + 1) % 4 == 0:
            self.mine.step()
            self.mine.zero_grad()


class OwnRule(StepsItself):
    """Subtracts gradients without an optimizer."""

    @torch.enable_grad()
    def training_step(self, batch, batch_idx):
        for weight, slope in zip(
            self.parameters(),
            torch.autograd.grad(self.loss(batch), list(self.parameters())),
            strict=True,
        ):
            weight.data -= 0.5 * slope


class NoLoss(HandsOver):
    def training_step(self, batch, batch_idx):
        self.loss(batch)


class NeverClips(HandsOver):
    def configure_gradient_clipping(self, optimizer, **_):
        pass


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


OBEDIENT = (
    HandsOver,
    HandsOverADict,
    WithAScheduler,
    OwnsTheOptimizer,
    ClipsThroughTheHook,
)


@pytest.mark.parametrize("every", [1, 3, 4, 8])
@pytest.mark.parametrize("module", OBEDIENT)
def test_modules_that_hand_over_update_as_told(module, every):
    finding = obeys_accumulation(module, BATCHES, every)
    assert finding.ok is True, finding
    made = -(-len(BATCHES) // every)
    assert f"made {made} updates in 8 batches; the Trainer asked for {made}." in str(
        finding
    )


@pytest.mark.parametrize("module", OBEDIENT)
def test_modules_that_hand_over_are_clipped(module):
    assert obeys_clipping(module, BATCHES, norm=0.05).ok is True


DISOBEDIENT = {
    StepsItself: "made 8 updates in 8 batches; the Trainer asked for 2. Return the",
    BothStep: "updates in 8 batches; the Trainer asked for 2.",
    OwnRule: "made 0 updates in 8 batches; the Trainer asked for 2. Return the loss, ",
    NoLoss: "made 0 updates in 8 batches; the Trainer asked for 2. Return the loss fr",
}


@pytest.mark.parametrize(("module", "words"), DISOBEDIENT.items())
def test_modules_that_step_or_never_learn_are_named(module, words):
    finding = obeys_accumulation(module, BATCHES, 4)
    assert finding.ok is False
    assert words in str(finding)


def test_a_number_of_batches_of_ones_own_is_found_with_another_number():
    assert obeys_accumulation(EveryFourth, BATCHES, 4).ok is True
    finding = obeys_accumulation(EveryFourth, BATCHES, 2)
    assert finding.ok is False
    assert "made 2 updates in 8 batches; the Trainer asked for 4." in finding.seen


def test_weights_moved_at_the_wrong_batch_are_found_though_the_number_fits():
    class Early(StepsItself):
        def training_step(self, batch, batch_idx):
            self.loss(batch).backward()
            if batch_idx in (0, 4):
                self.mine.step()

    finding = obeys_accumulation(Early, BATCHES, 4)
    assert finding.ok is False
    assert "the weights change at other batches than" in finding.seen


@pytest.mark.parametrize("module", [StepsItself, NeverClips])
def test_a_long_gradient_is_measured(module):
    finding = obeys_clipping(module, BATCHES, norm=0.05)
    assert finding.ok is False
    assert "With gradient_clip_val=0.05 the largest gradient norm is 0." in finding.seen


def test_without_an_update_nothing_was_clipped():
    finding = obeys_clipping(NoLoss, BATCHES)
    assert (finding.ok, finding.seen) == (False, "The optimizer made no update.")


def test_gradients_that_are_short_anyway_decide_nothing():
    finding = obeys_clipping(HandsOver, BATCHES, norm=1e6)
    assert finding.ok is None
    assert finding.remedy == "Ask again with a norm below 1000000.0."


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (StepsAndReturns, "backward twice, by you and by Lightning"),
        (Manual, "accumulation is not supported for manual optimization"),
    ],
)
def test_an_error_of_training_is_the_modules(module, words):
    with pytest.raises(LearnerError, match=words):
        obeys_accumulation(module, BATCHES, 4)


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


def test_an_error_in_one_of_two_processes_is_told_with_their_number():
    with pytest.raises(LearnerError, match="With 2 processes: Training raised Runtime"):
        replicas_agree(StepsItself, DATA, batch_size=8)
