"""Measure predictions: the share of images that a module classifies correctly."""

import torch
from torch import Tensor, nn

from course_utils.data.data_module import scaled
from course_utils.measure.modes import evaluation_mode


@torch.no_grad()
def accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that ``module`` classifies correctly, in 0..1.

    It is measured in evaluation mode; every part of the module keeps its own mode.

    Args:
        module: Maps images in 0..1 to logits of shape ``(n, classes)``.
        images: Shape ``(n, channel, height, width)``, uint8.
        labels: Shape ``(n,)``, int64.
    """
    device = next(module.parameters(), images).device
    with evaluation_mode(module):
        preds = module(scaled(images).to(device)).argmax(1).cpu()
    return (preds == labels).float().mean().item()
