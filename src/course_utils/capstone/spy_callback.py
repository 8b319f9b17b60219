"""Observe every Trainer that a script makes, without changing the script."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from course_utils.capstone.checkpoint_files import epochs_on_disk
from course_utils.checks.sample_data import logits_of, share_correct
from course_utils.measure import SavedTensors, flat_weights


class PowerCut(BaseException):
    """Ends a run mid-run; not an ``Exception``, so that no script swallows it."""


def digests(images: Tensor) -> set[int]:
    """Return one number per distinct image, the same for equal images.

    Args:
        images: Shape ``(n, 1, 28, 28)``, 0 to 1. They are compared as bytes, since
            dividing by 255 and multiplying by 1 / 255 differ in the last bit.
    """
    rows = images.detach().cpu().mul(255).round().to(torch.uint8).flatten(1).numpy()
    return {hash(row.tobytes()) for row in rows}


def _moments(trainer: L.Trainer) -> list[Tensor]:
    states = [each.state_dict()["state"] for each in trainer.optimizers]
    return [leaf.clone() for leaf in tree_leaves(states) if isinstance(leaf, Tensor)]


class SpyCallback(L.Callback):
    """Record what a run does, and optionally save a checkpoint or end the run.

    Attributes:
        epochs: Number of finished epochs.
        ink: Mean of the training images, 0 to 1, one number per epoch.
        first_images: First ten training images of each epoch, ``(10, 1, 28, 28)``.
        graph_bytes: Bytes that autograd holds after each batch.
        seen: `digests` of all images that the model was given during training,
            no matter who passed them: the Trainer, a callback, a training step.
        start: All parameters before the first update, as one vector.
        moments: What the optimizers kept before the first update.
        saved_state: The same two when the checkpoint was saved.
        weights: All parameters after batch ``cut_after``, as one vector.
        folder: Where the run leaves its checkpoints.
        epochs_behind: For each epoch but the first, how many epochs the newest
            checkpoint was behind when it began; one more than exist without a file.
        accuracies: Accuracy on ``val`` after each epoch, empty without ``val``.
        losses: Cross-entropy on ``val`` after each epoch, likewise.
    """

    def __init__(
        self,
        *,
        saved: SavedTensors | None = None,
        save: tuple[int, Path] | None = None,
        cut_after: int = 0,
        val: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Choose what to do besides observing.

        Args:
            saved: Counts the bytes that autograd holds.
            save: An epoch, from 0, and the file for a checkpoint at its end.
            cut_after: Number of batches after which `PowerCut` is raised; 0: never.
            val: Images and labels to measure on after each epoch.
        """
        self.saved, self.save, self.cut_after, self.val = saved, save, cut_after, val
        self.epochs = self.batches = 0
        self.folder: Path | None = None
        self.epochs_behind: list[int] = []
        self.seen: set[int] = set()
        self.first_images: list[Tensor] = []
        self.graph_bytes: list[int] = []
        self.accuracies: list[float] = []
        self.losses: list[float] = []
        self._ink: list[list[float]] = []
        self._digests: list[set[int]] = []
        self._watch: Any = None

    @property
    def ink(self) -> list[float]:
        """Mean of the training images, one number per epoch."""
        return [sum(means) / len(means) for means in self._ink]

    @property
    def repeated(self) -> float:
        """Share of the second epoch's training images that the first had, too."""
        if len(self._digests) < 2:
            return 0.0
        first, second = self._digests[:2]
        return len(first & second) / len(second)

    @property
    def whole(self) -> set[int]:
        """The `digests` of the first epoch's training images."""
        return self._digests[0] if self._digests else set()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin to watch what the model is given."""

        def watch(_: Any, inputs: tuple[Any, ...]) -> None:
            self._see(inputs)

        self._watch = pl_module.register_forward_pre_hook(watch)

    def _see(self, values: Any) -> None:
        images = values[0] if isinstance(values, list | tuple) and values else None
        if isinstance(images, Tensor) and images.ndim == 4:
            self.seen |= digests(images)

    def _stop_watching(self, *_: Any) -> None:
        """Stop watching, if training had begun: then the test set may be read."""
        if self._watch is not None:
            self._watch.remove()
            self._watch = None

    on_train_end = on_exception = _stop_watching

    def on_validation_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, *_: Any
    ) -> None:
        """See a batch even if ``validation_step`` does not call the model itself."""
        if self._watch is not None:
            self._see(batch)

    def on_train_epoch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        """Begin the records of a new epoch, and look into the folder."""
        if self.epochs and self.folder is not None:
            newest = max(epochs_on_disk(self.folder), default=-1)
            self.epochs_behind.append(self.epochs - 1 - newest)
        self._ink.append([])
        self._digests.append(set())

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, *_: Any
    ) -> None:
        """Record the images before ``training_step`` can change them in place."""
        if not hasattr(self, "start"):
            # Not in `on_train_start`, where a script may still load what it resumes.
            self.start = flat_weights(pl_module)
            self.moments = _moments(trainer)
        images = batch[0].detach()
        if not self._ink[-1]:
            self.first_images.append(images[:10].clone())
        self._ink[-1].append(images.float().mean().item())
        if len(self._digests) <= 2:
            self._digests[-1] |= digests(images)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Record what autograd holds, and end the run after ``cut_after`` batches."""
        self.batches += 1
        if self.saved is not None:
            self.graph_bytes.append(self.saved.live)
        if self.batches == self.cut_after:
            self.weights = flat_weights(pl_module)
            raise PowerCut

    def on_train_epoch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        """Measure on ``val``, and save the checkpoint that was asked for."""
        if self.val is not None:
            images, labels = self.val
            logits = logits_of(pl_module, images)
            self.accuracies.append(share_correct(logits, labels))
            self.losses.append(F.cross_entropy(logits, labels).item())
        if self.save is not None and self.save[0] == self.epochs:
            trainer.save_checkpoint(self.save[1])
            self.saved_state = flat_weights(pl_module), _moments(trainer)
        self.epochs += 1


@contextlib.contextmanager
def inject_callbacks(*callbacks: L.Callback) -> Iterator[None]:
    """Add callbacks to every Trainer that is made inside the block.

    The script makes its own Trainer and hands out no reference to it. Patching the
    class reaches it under whatever name the script imported the class.
    """
    original = L.Trainer.__init__

    def init(self: L.Trainer, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        # Last in the list: each hook observes after the script's own callbacks ran.
        self.callbacks.extend(callbacks)

    with mock.patch.object(L.Trainer, "__init__", init):
        yield


def stacked(batches: list[Any]) -> tuple[Tensor, Tensor]:
    """Return the images and the labels of some batches as one batch."""
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)
