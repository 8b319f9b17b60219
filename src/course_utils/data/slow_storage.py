"""A dataset with a fixed delay per image."""

import time

from torch import Tensor
from torch.utils.data import TensorDataset

Sample = tuple[Tensor, Tensor]


class SlowStorage(TensorDataset):
    """Images that are read one at a time, each after a delay, as from a network disk.

    The delay is a sleep: it uses no processor, so other processes may run meanwhile.

    Attributes:
        images: Shape ``(n, channel, height, width)``, any dtype.
        labels: Shape ``(n,)``, int64.
        milliseconds: Delay per image; 0 for none.
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
        super().__init__(images, labels)
        self.images, self.labels = images, labels
        self.milliseconds = milliseconds

    def __getitem__(self, index: int) -> Sample:
        """Return an image, ``(channel, height, width)``, and its label, delayed."""
        if self.milliseconds:
            time.sleep(self.milliseconds / 1000)
        return super().__getitem__(index)
