"""Measure predictions: the share of images that a module classifies rightly."""

import torch
from torch import Tensor, nn

from course_utils.data.data_module import scaled


@torch.no_grad()
def accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that ``module`` classifies rightly, in 0..1.

    The module is put into evaluation mode meanwhile and left as it was.

    Args:
        module: Maps images in 0..1 to logits of shape ``(n, classes)``.
        images: Shape ``(n, channel, height, width)``, uint8.
        labels: Shape ``(n,)``, int64.
    """
    device = next(module.parameters(), images).device
    modes = {part: part.training for part in module.modules()}
    try:
        preds = module.eval()(scaled(images).to(device)).argmax(1).cpu()
    finally:
        for part, mode in modes.items():
            part.training = mode
    return (preds == labels).float().mean().item()
