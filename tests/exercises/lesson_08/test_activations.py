"""Linear layers with and without something in between."""

import pytest
import torch
from torch import nn

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_08.activations import has_activations, linear_pairs

IMAGES = torch.randn(16, 8)


def stack(between, layers=4):
    blocks = [(nn.Linear(8, 8), between()) for _ in range(layers)]
    return nn.Sequential(*[part for block in blocks for part in block])


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))

    def forward(self, features):
        for layer in self.layers:
            features = features + layer(features).sigmoid()
        return features


@pytest.mark.parametrize("between", [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU])
def test_an_activation_separates(between):
    assert linear_pairs(stack(between), IMAGES) == 0
    assert has_activations(stack(between), IMAGES).ok


@pytest.mark.parametrize("between", [nn.Identity, nn.Dropout, nn.Flatten])
def test_what_passes_all_on_does_not(between):
    assert linear_pairs(stack(between), IMAGES) == 3
    finding = has_activations(stack(between), IMAGES)
    assert (finding.ok, finding.seen[:15]) == (False, "3 linear layers")


def test_one_pair_is_allowed():
    assert has_activations(stack(nn.Identity, layers=2), IMAGES).ok


def test_a_way_around_separates():
    assert linear_pairs(Residual(), IMAGES) == 0


def test_an_error_is_the_learners():
    with pytest.raises(LearnerError, match="forward raised"):
        has_activations(stack(nn.ReLU), IMAGES[:, :3])
