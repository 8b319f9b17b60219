"""Evaluation mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Put ``module`` into evaluation mode for a block; then restore each part's mode.

    ``module.train(was_training)`` would not do: it gives every part the mode of the
    root, so that a frozen encoder in evaluation mode would train from then on.
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
