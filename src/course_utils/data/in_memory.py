"""Images held in memory as bytes, fetched a whole batch at a time."""

import torch
from torch import Tensor
from torch.utils.data import Dataset

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


class LabelledImages(Dataset[Batch]):
    """Images and labels in memory, fetched a batch at a time.

    Attributes:
        images: Shape ``(n, channel, height, width)``, uint8.
        labels: Shape ``(n,)``, int64, from 0.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        """Hold the tensors; nothing is copied."""
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        """Return one image, ``(channel, height, width)``, and its label."""
        return self.images[index], self.labels[index]

    def __getitems__(self, indices: list[int]) -> Batch:
        """Return a batch by one indexing operation; DataLoaders prefer this method."""
        chosen = torch.as_tensor(indices)
        return self.images[chosen], self.labels[chosen]

    def subset(self, indices: Tensor) -> "LabelledImages":
        """Return a copy of the images at ``indices``, shape ``(k,)``, in that order."""
        return LabelledImages(self.images[indices], self.labels[indices])


def identity_collate(batch: Batch) -> Batch:
    """Return the batch: it is collated already. A lambda could not be pickled."""
    return batch
