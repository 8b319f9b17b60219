"""Which random numbers does a loader's process draw?"""

import random

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset


class RandomNumbers(Dataset[Tensor]):
    """Items of three random numbers, drawn when and where the item is fetched.

    A stand-in for random augmentation. It is a class of a module, so that workers
    in new processes can unpickle it.

    Example:
        >>> RandomNumbers(8)[0].shape
        torch.Size([3])
    """

    def __init__(self, size: int) -> None:
        """Hold ``size`` items."""
        self.size = size

    def __len__(self) -> int:
        """Return the number of items."""
        return self.size

    def __getitem__(self, index: int) -> Tensor:
        """Return a number of Python's, NumPy's and torch's generator, each in 0..1."""
        if index >= self.size:
            raise IndexError(index)
        drawn = (random.random(), np.random.random(), torch.rand(()).item())
        return torch.tensor(drawn, dtype=torch.float64)
