"""Images held in memory, fetched a batch at a time, or one by one with a delay."""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

Batch = tuple[Tensor, Tensor]


def scaled(images: Tensor) -> Tensor:
    """Return uint8 ``images`` as a new float32 tensor, 0 to 1, of the same shape.

    Raises:
        TypeError: If ``images`` is not uint8, for example scaled already.
    """
    if images.dtype != torch.uint8:
        raise TypeError(
            f"Expected uint8 images but got {images.dtype}; scale raw images, once."
        )
    return images.to(torch.float32).div_(255)


class LabelledImages(TensorDataset):
    """Images and labels in memory, fetched a batch at a time.

    Attributes:
        images: Shape ``(n, channel, height, width)``, uint8.
        labels: Shape ``(n,)``, int64, from 0.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        """Hold the tensors; nothing is copied."""
        super().__init__(images, labels)
        self.images, self.labels = images, labels

    def __getitems__(self, indices: list[int]) -> Batch:
        """Return a batch by one indexing operation; DataLoaders prefer this method."""
        return self[torch.as_tensor(indices)]

    def subset(self, indices: Tensor) -> "LabelledImages":
        """Return a copy of the images at ``indices``, shape ``(k,)``, in that order."""
        return LabelledImages(*self[indices])


class SlowStorage(TensorDataset):
    """Images that are read one at a time, each after a delay, as from a network disk.

    The delay is a sleep: it uses no processor, so other processes may run meanwhile.
    A transform does use it.

    Attributes:
        images: Shape ``(n, channel, height, width)``, any dtype.
        labels: Shape ``(n,)``, int64.
        milliseconds: Delay per image; 0 for none.
        transform: What each image goes through when it is read, or None.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        milliseconds: float = 0.0,
        transform: Callable[[Tensor], Tensor] | None = None,
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
        self.milliseconds, self.transform = milliseconds, transform

    def __getitem__(self, index: int) -> Batch:
        """Return an image, ``(channel, height, width)``, and its label, delayed."""
        if self.milliseconds:
            time.sleep(self.milliseconds / 1000)
        image, label = super().__getitem__(index)
        return (self.transform(image) if self.transform else image), label


def identity_collate(batch: Batch) -> Batch:
    """Return the batch: it is collated already. A lambda could not be pickled."""
    return batch
