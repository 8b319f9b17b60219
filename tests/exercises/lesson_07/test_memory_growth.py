"""Modules that let go after a step, and modules that hold on."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_07.memory_growth import growth_per_step, holds_little

pytestmark = pytest.mark.slow

IMAGE = 100 * 4  # bytes
LOADER = DataLoader(
    TensorDataset(torch.rand(80, 100), torch.zeros(80).long()), batch_size=8
)


class Net(L.LightningModule):
    """Keeps what ``keep(module, images, losses)`` returns, one a step."""

    def __init__(self, keep):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(100, 500), nn.ReLU(), nn.Linear(500, 10))
        self.keep, self.kept = keep, []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        losses = F.cross_entropy(self.net(images), labels, reduction="none")
        self.kept.append(self.keep(self, images, losses))
        return losses.mean()


def clears(module, images, losses):
    module.kept.clear()
    return images


KEEPS = {  # what is kept: least and most bytes a step, with room for small change
    "nothing": (lambda m, x, y: None, 0, 300),
    "a number": (lambda m, x, y: y.max().item(), 0, 300),
    "a clone": (lambda m, x, y: x[0].clone(), IMAGE, IMAGE + 300),
    "the last only": (clears, 0, 300),
    "a view": (lambda m, x, y: x[0], 8 * IMAGE, 8 * IMAGE + 400),
    "a detached view": (lambda m, x, y: x[:1].detach(), 8 * IMAGE, 8 * IMAGE + 400),
    "the batch": (lambda m, x, y: x, 8 * IMAGE, 8 * IMAGE + 400),
    "the loss": (lambda m, x, y: y.mean(), 0, 600),
    "the loss, detached": (lambda m, x, y: y.mean().detach(), 0, 600),
    "one more graph": (lambda m, x, y: m.net(x).sum(), 8 * 500 * 4, 8 * 900 * 4),
    "its value": (lambda m, x, y: m.net(x).sum().detach(), 0, 300),
    "its value, twice": (lambda m, x, y: m.net(x).sum().item(), 0, 300),
}


@pytest.mark.parametrize(("keep", "least", "most"), KEEPS.values(), ids=KEEPS)
def test_bytes_that_a_step_leaves_are_those_it_keeps(keep, least, most):
    assert least <= growth_per_step(Net(keep), LOADER) <= most


def test_a_view_is_told_from_a_graph():
    view = holds_little(Net(KEEPS["a view"][0]), LOADER, 2 * IMAGE, 8 * IMAGE)
    graph = holds_little(Net(KEEPS["one more graph"][0]), LOADER, 2 * IMAGE, 8 * IMAGE)
    fine = holds_little(Net(KEEPS["a clone"][0]), LOADER, 2 * IMAGE, 8 * IMAGE)
    assert (view.ok, graph.ok, fine.ok) == (False, False, True)
    assert "clone it" in view.remedy
    assert "detach it" in graph.remedy


def test_a_learners_error_is_named():
    with pytest.raises(LearnerError, match="Training raised ZeroDivisionError"):
        growth_per_step(Net(lambda m, x, y: 1 / 0), LOADER)


def test_too_few_batches_are_refused():
    few = DataLoader(TensorDataset(torch.rand(16, 100)), batch_size=8)
    with pytest.raises(ValueError, match="at least 5 batches but got 2"):
        growth_per_step(Net(lambda m, x, y: None), few)
