"""Trained networks and the functions that read them."""

import pytest
import torch
from torch import nn

from course_utils.checks.sample_data import logits_of, output_of


@pytest.mark.parametrize("read", [logits_of, output_of])
def test_reading_logits_leaves_a_frozen_part_in_evaluation_mode(read):
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.BatchNorm1d(4))
    module[2].eval()
    images = torch.ones(3, 1, 2, 2)
    first, second = read(module, images), read(module, images)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert [part.training for part in module.modules()] == [True, True, True, False]
