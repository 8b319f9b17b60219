"""The images that every lesson trains on, held in memory and split by a seed."""

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils import settings
from course_utils.data.in_memory import Batch, LabelledImages, identity_collate, scaled
from course_utils.data.locate import chosen_name, locate, open_dataset
from course_utils.data.sources import SOURCES
from course_utils.hardware import profile

CPU_TRAINING = 8_000  # images, validation included: a lesson stays within its budget
CPU_TEST = 2_000


def _read(name: str, train: bool) -> tuple[LabelledImages, tuple[str, ...]]:
    """Return all images of one half of ``name``, and the class names by label."""
    source = open_dataset(name, train=train)
    images = torch.as_tensor(source.data)
    # MNIST is (n, height, width); CIFAR-10 is (n, height, width, channel).
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    labels = torch.as_tensor(source.targets, dtype=torch.int64)
    return LabelledImages(images.contiguous(), labels), tuple(source.classes)


def _validate_size(name: str, value: int | None, least: int) -> int | None:
    """Return ``value`` if it is None or a whole number of at least ``least``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"Expected {name} to be a whole number but got {value!r}.")
    if value < least:
        raise ValueError(f"Expected {name} to be at least {least} but got {value}.")
    return value


def _draw(available: int, count: int, argument: str, seed: int) -> Tensor:
    """Return ``count`` indices below ``available``, drawn without the global RNG."""
    if count > available:
        raise ValueError(
            f"Expected {argument} to be at most {available}, which is all there is, "
            f"but got {count}; ask for fewer images."
        )
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(available, generator=generator)[:count]


class ImageDataModule(L.LightningDataModule):
    """Training, validation and test images, the same for the same seed.

    Images stay uint8 in memory and in the loaders' batches, a quarter of float32's
    bytes; a Trainer scales each batch to float32, 0 to 1, once it is on the device.
    Data is read when it is first needed, so neither ``prepare_data`` nor ``setup`` has
    to be called without a Trainer.

    Attributes:
        name: The data set, as in ``COURSE_DATA``.
        batch_size: Images per batch; a change affects loaders made afterwards.
        seed: Seed of the split, and of what is drawn from a larger data set.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        batch_size: int = 64,
        train_size: int | None = None,
        val_size: int = 1000,
        test_size: int | None = None,
        seed: int | None = None,
        num_workers: int = 0,
    ) -> None:
        """Choose the data; nothing is read yet.

        Args:
            name: Data set; by default ``COURSE_DATA`` or what suits the machine.
            batch_size: Images per batch.
            train_size: Training images; by default all, on a CPU 8,000 minus
                ``val_size`` unless ``COURSE_IMAGES`` is ``all``.
            val_size: Validation images, taken from the training half.
            test_size: Test images; by default all, likewise; on a CPU at most 2,000.
            seed: By default ``COURSE_SEED`` or 0.
            num_workers: Worker processes per loader.

        Raises:
            TypeError: If a size is not a whole number.
            ValueError: If a size is too small, or there is no data set ``name``.
        """
        super().__init__()
        self.name = chosen_name(name)
        self.batch_size = _validate_size("batch_size", batch_size, 1)
        self.train_size = _validate_size("train_size", train_size, 1)
        self.val_size = _validate_size("val_size", val_size, 0)
        self.test_size = _validate_size("test_size", test_size, 1)
        self.num_workers = _validate_size("num_workers", num_workers, 0)
        self.seed = settings.seed() if seed is None else seed
        self._parts: dict[str, LabelledImages] = {}
        self._classes: tuple[str, ...] = ()

    def prepare_data(self) -> None:
        """Unpack the data where that is needed; keeps no state."""
        locate(self.name)

    def setup(self, stage: str | None = None) -> None:
        """Read what ``stage`` needs and is not in memory yet.

        Args:
            stage: ``"fit"``, ``"validate"``, ``"test"``, ``"predict"``, or None: all.

        Raises:
            DataError: If the data is missing or damaged.
            ValueError: If more images are asked for than there are.
        """
        if stage in ("fit", "validate", None) and "train" not in self._parts:
            self._split_training_half()
        if stage in ("test", "predict", None) and "test" not in self._parts:
            self._cut_test_half()

    def _default_count(self, available: int, on_cpu: int) -> int:
        whole = profile().accelerator == "gpu" or settings.all_images()
        return available if whole else min(available, on_cpu)

    def _split_training_half(self) -> None:
        half, self._classes = _read(self.name, train=True)
        count = self._default_count(len(half), CPU_TRAINING)
        if self.train_size is not None:
            count = self.train_size + self.val_size
        if count <= self.val_size:
            raise ValueError(
                f"Expected val_size to be below {count}, which leaves images to train "
                f"on, but got {self.val_size}; lower it, or set train_size."
            )
        chosen = _draw(len(half), count, "train_size + val_size", self.seed)
        val, train = chosen[: self.val_size], chosen[self.val_size :]
        self._parts["val"] = half.subset(val)
        self._parts["train"] = half.subset(train)

    def _cut_test_half(self) -> None:
        half, self._classes = _read(self.name, train=False)
        count = self.test_size or self._default_count(len(half), CPU_TEST)
        chosen = _draw(len(half), count, "test_size", self.seed)
        self._parts["test"] = half.subset(chosen.sort().values)

    def _part(self, name: str) -> LabelledImages:
        if name not in self._parts:
            self.setup("test" if name == "test" else "fit")
        return self._parts[name]

    @property
    def train_images(self) -> Tensor:
        """Training images, ``(n, channel, height, width)``, uint8."""
        return self._part("train").images

    @property
    def train_labels(self) -> Tensor:
        """Training labels, ``(n,)``, int64."""
        return self._part("train").labels

    @property
    def val_images(self) -> Tensor:
        """Validation images, ``(n, channel, height, width)``, uint8."""
        return self._part("val").images

    @property
    def val_labels(self) -> Tensor:
        """Validation labels, ``(n,)``, int64."""
        return self._part("val").labels

    @property
    def test_images(self) -> Tensor:
        """Test images, ``(n, channel, height, width)``, uint8."""
        return self._part("test").images

    @property
    def test_labels(self) -> Tensor:
        """Test labels, ``(n,)``, int64."""
        return self._part("test").labels

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by label."""
        if not self._classes:
            self.setup("test")
        return self._classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image: ``(channel, height, width)``."""
        part = next(iter(self._parts.values()), None) or self._part("test")
        channel, height, width = part.images.shape[1:]
        return channel, height, width

    @property
    def num_features(self) -> int:
        """Numbers in one image: channel × height × width."""
        return math.prod(self.image_shape)

    @property
    def num_classes(self) -> int:
        """Number of classes; a label is below it."""
        return len(self.classes)

    def _loader(self, part: str, shuffle: bool = False) -> DataLoader[Batch]:
        return DataLoader(
            self._part(part),
            batch_size=self.batch_size,
            shuffle=shuffle,
            num_workers=self.num_workers,
            collate_fn=identity_collate,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return uint8 batches in an order that the global RNG draws."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return uint8 batches in a fixed order."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return uint8 batches in a fixed order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the test images."""
        return self._loader("test")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Return the batch with its images scaled to float32, 0 to 1, on the device."""
        images, labels = batch
        return scaled(images), labels

    def describe(self) -> str:
        """Return one line that says which data is in use, and how many images."""
        train, val, test = (len(self._part(name)) for name in ("train", "val", "test"))
        return (
            f"{SOURCES[self.name].title}: {train} training, {val} validation, "
            f"{test} test images."
        )
