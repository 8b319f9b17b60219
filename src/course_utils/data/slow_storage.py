"""Storage that keeps one waiting: images that arrive after a fixed delay."""

import time

from torch import Tensor
from torch.utils.data import Dataset

Sample = tuple[Tensor, Tensor]


class SlowStorage(Dataset[Sample]):
    """Images that come one at a time, each after a wait, as from a network disk.

    The wait is a sleep: it takes no processor, so other processes may use the time.
    A class of a module, so that a worker which starts afresh can unpickle it.

    Attributes:
        images: Shape ``(n, channel, height, width)``.
        labels: Shape ``(n,)``.
        milliseconds: Wait for each image; 0 for none.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, *, milliseconds: float = 0.0
    ) -> None:
        """Hold the tensors; nothing is copied.

        Raises:
            ValueError: If ``milliseconds`` is negative.
        """
        if milliseconds < 0:
            raise ValueError(
                f"Expected milliseconds to be 0 or more but got {milliseconds}."
            )
        self.images = images
        self.labels = labels
        self.milliseconds = milliseconds

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        """Return an image, ``(channel, height, width)``, and its label, delayed."""
        if self.milliseconds:
            time.sleep(self.milliseconds / 1000)
        return self.images[index], self.labels[index]
