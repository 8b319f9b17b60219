"""Modules that refuse wrong shapes in time, too late, by accident, or not at all."""

import lightning as L
import pytest
import torch

from course_utils.exercises.lesson_11.shape_refusals import (
    accepts,
    loss_equals,
    refuses,
)
from course_utils.measure.shapes import ShapeError

RIGHT = {"4 rows": torch.ones(4, 2)}
WRONG = {"shape (4,)": torch.ones(4)}


class Net(L.LightningModule):
    """A weight; the loss is its product with the sum of the batch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def guard(self, batch):
        """Refuse or not."""

    def training_step(self, batch, batch_idx):
        self.guard(batch)
        return (self.weight * batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Asserts(Net):
    def guard(self, batch):
        assert batch.ndim == 2


class Raises(Net):
    def guard(self, batch):
        if batch.ndim != 2:
            raise ShapeError("two dimensions")


class Unpacks(Net):
    def guard(self, batch):
        _rows, _columns = batch.shape


class RefusesInAHook(Net):
    def on_train_batch_start(self, batch, batch_idx):
        batch.transpose(0, 1)
        if batch.ndim != 2:
            raise TypeError


class Misspells(Net):
    def guard(self, batch):
        if batch.ndim != 2:
            raise ShapeEror  # noqa: F821


class MissesAnAttribute(Net):
    def guard(self, batch):
        if batch.ndim != 2:
            self.complain()


class RefusesLate(Net):
    def on_train_batch_end(self, outputs, batch, batch_idx):
        if batch.ndim != 2:
            raise ValueError


class Skips(Net):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, 0) if batch.ndim == 2 else None


class StepsByItself(Net):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, 0)
        self.manual_backward(loss)
        self.optimizers().step()
        assert batch.ndim == 2


REFUSES = {  # module: whether it refuses, and what is said
    Asserts: (True, "A batch with shape (4,) is refused."),
    Raises: (True, "A batch with shape (4,) is refused."),
    Unpacks: (True, "A batch with shape (4,) is refused."),
    RefusesInAHook: (True, "A batch with shape (4,) is refused."),
    Net: (False, "A batch with shape (4,) trained the model."),
    Misspells: (False, "was refused by accident: Training raised NameError"),
    MissesAnAttribute: (False, "was refused by accident: Training raised Attribute"),
    RefusesLate: (False, "was refused after the optimizer had stepped."),
    StepsByItself: (False, "was refused after the optimizer had stepped."),
    Skips: (False, "A batch with shape (4,) was left out without a word."),
}


@pytest.mark.parametrize(("build", "expected"), REFUSES.items())
def test_a_refusal_comes_before_the_optimizer_steps(build, expected):
    [finding] = refuses(build, WRONG)
    assert (finding.ok, expected[1] in finding.seen) == (expected[0], True), finding


class RefusesAll(Net):
    def guard(self, batch):
        raise ValueError("never")


class Detached(Net):
    def training_step(self, batch, batch_idx):
        return (self.weight * 0 * batch).sum()


ACCEPTS = {
    Asserts: (True, "With a right batch, 4 rows, the weights change."),
    Net: (True, "With a right batch, 4 rows, the weights change."),
    Detached: (False, "With a right batch, 4 rows, the weights do not change."),
    RefusesAll: (
        False,
        "With a right batch, 4 rows: Training raised ValueError: never",
    ),
}


@pytest.mark.parametrize(("build", "expected"), ACCEPTS.items())
def test_a_right_batch_is_learned_from(build, expected):
    [finding] = accepts(build, RIGHT)
    assert (finding.ok, expected[1] in finding.seen) == (expected[0], True), finding


class InADict(Net):
    def training_step(self, batch, batch_idx):
        return {"loss": super().training_step(batch, 0)}


class Averages(Net):
    def training_step(self, batch, batch_idx):
        return (self.weight * batch).mean()


class ReturnsMany(Net):
    def training_step(self, batch, batch_idx):
        return self.weight * batch


LOSSES = {Net: True, InADict: True, Averages: False, ReturnsMany: False}


@pytest.mark.parametrize(("build", "ok"), LOSSES.items())
def test_the_loss_is_compared_with_the_truth(build, ok):
    truth = loss_equals(build, RIGHT["4 rows"], lambda module: module.weight.sum() * 8)
    assert truth.ok is ok, truth
