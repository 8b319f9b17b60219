"""Networks through which gradients flow, and networks with a fault in them."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_08.gradient_flow import (
    gradient_norms,
    gradients_flow,
)

torch.manual_seed(0)
BATCHES = [(torch.randn(32, 8), torch.randint(3, (32,))) for _ in range(2)]


class Net(L.LightningModule):
    def __init__(self, middle=None, extra=None, connect=None):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(8, 8)
        self.middle = middle or nn.Identity()
        self.head = nn.Linear(8, 3)
        self.extra, self.connect = extra, connect or (lambda features: features)

    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        features = self.middle(self.connect(self.first(inputs)))
        return F.cross_entropy(self.head(features), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def stack(activation, layers=8):
    return nn.Sequential(
        *[m for _ in range(layers) for m in (nn.Linear(8, 8), activation())]
    )


def normalized():
    return nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU())


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, features):
        return features + self.inner(features).sigmoid()


class Manual(Net):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        self.optimizers().zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx))
        self.optimizers().step()


FINE = {
    "shallow": Net,
    "manual optimization": Manual,
    "tanh": lambda: Net(stack(nn.Tanh, 3)),
    "a bias before a normalization": lambda: Net(normalized()),
    "sigmoids with a way around": lambda: Net(
        nn.Sequential(*[Residual() for _ in range(8)])
    ),
    "frozen on purpose": lambda: Net(extra=nn.Linear(8, 8).requires_grad_(False)),
}
FAULTS = {
    "detached": (
        lambda: Net(connect=torch.Tensor.detach),
        [False, True, True],
        "No gradient reaches first.weight, first.bias.",
    ),
    "unused": (
        lambda: Net(extra=nn.Linear(8, 8)),
        [False, True, True],
        "No gradient reaches extra.weight, extra.bias.",
    ),
    "rounded": (
        lambda: Net(connect=torch.round),
        [True, False, True],
        "The gradient of first.weight, first.bias is zero.",
    ),
    "times zero": (
        lambda: Net(connect=lambda features: 0 * features + 1),
        [True, False, True],
        "The gradient of first.weight, first.bias is zero.",
    ),
    "eight sigmoids": (
        lambda: Net(stack(nn.Sigmoid)),
        [True, True, False],
        "times the strongest: first.weight, middle.0.weight, middle.2.weight and",
    ),
    "faint": (
        lambda: Net(connect=lambda features: 1e-6 * features + 1),
        [True, True, False],
        "times the strongest: first.weight.",
    ),
}


@pytest.mark.parametrize("build", FINE.values(), ids=FINE)
def test_a_gradient_that_flows_is_found_to_flow(build):
    assert [f.ok for f in gradients_flow(build(), BATCHES)] == [True] * 3


@pytest.mark.parametrize(("build", "oks", "said"), FAULTS.values(), ids=FAULTS)
def test_parameters_without_a_gradient_are_named(build, oks, said):
    found = gradients_flow(build(), BATCHES)
    assert [finding.ok for finding in found] == oks
    assert any(said in finding.seen for finding in found if finding.ok is False)


def test_norms_are_those_of_a_plain_loop():
    module = Net()
    F.cross_entropy(module.head(module.first(BATCHES[0][0])), BATCHES[0][1]).backward()
    truth = {name: p.grad.norm().item() for name, p in module.named_parameters()}
    assert gradient_norms(Net(), BATCHES[:1]) == pytest.approx(truth)


def test_the_largest_norm_counts():
    batches = [BATCHES[0], (0 * BATCHES[0][0], BATCHES[0][1])]  # no input, no gradient
    assert gradient_norms(Net(), batches)["first.weight"] > 0


def test_a_dropped_loss_is_said():
    class Drops(Net):
        def training_step(self, batch, batch_idx):
            return None

    (finding,) = gradients_flow(Drops(), BATCHES)
    assert finding.seen == "No parameter gets a gradient."


def test_an_error_is_the_learners():
    with pytest.raises(LearnerError, match="Training raised"):
        gradient_norms(Net(connect=lambda _: None), BATCHES)
