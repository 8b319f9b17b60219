"""The runs of a script that its symptoms are read from; each is made once."""

import contextlib
import functools
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from course_utils.capstone.observed_run import Run, observe_train, time_limited
from course_utils.capstone.spy_callback import PowerCut, SpyCallback, stacked
from course_utils.checks.learner_code import LearnerError
from course_utils.measure import SavedTensors

BATCHES = 10  # of a short run
Batches = list[Any]
T = TypeVar("T")


class CountedImages(Dataset[Any]):
    """Images and labels that count how often they are read.

    Attributes:
        reads: How often the images were read, on average.
        read_after: What ``clock`` said when the first was read; None: never.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        """Serve these images."""
        self.images, self.labels = images, labels
        self.clock: Callable[[], int] = int
        self.read_after: int | None = None
        self._read = 0

    @property
    def reads(self) -> float:
        """How often the images were read, on average."""
        return self._read / len(self)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        """Return one image and its label, or those of a slice."""
        if self.read_after is None:
            self.read_after = self.clock()
        self._read += self.labels[index].numel()
        return self.images[index], self.labels[index]


def mislabelled(labels: Tensor) -> Tensor:
    """Return labels all of which are wrong."""
    return (labels + 1) % 10


class Runs:
    """All runs of one script, made when they are first needed.

    Attributes:
        script: The learner's module.
        seed: Given to ``make_data`` and ``train``.
    """

    def __init__(self, script: ModuleType, seed: int) -> None:
        """Run nothing yet."""
        self.script, self.seed = script, seed
        self._results: dict[Callable[..., Any], Any] = {}
        # An attribute, so that the folder lives as long as these runs.
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)

    def once(self, measure: Callable[["Runs"], T]) -> T:
        """Return ``measure(self)``; the second call returns the same object."""
        if measure not in self._results:
            self._results[measure] = measure(self)
        return self._results[measure]

    @functools.cached_property
    def batches(self) -> dict[str, Batches]:
        """A few batches of each of the script's loaders, by ``train, val, test``."""
        L.seed_everything(self.seed, verbose=False)
        with time_limited("make_data"):
            data = self.script.make_data(self.seed)
            data.prepare_data()
            found = {}
            for name, stage in (("train", "fit"), ("val", "fit"), ("test", "test")):
                if name != "val":
                    data.setup(stage)
                loader = getattr(data, f"{name}_dataloader")()
                found[name] = list(itertools.islice(loader, BATCHES))
        return found

    def serve(self, images: CountedImages, batch_size: int) -> DataLoader[Any]:
        """Return a loader of these images, in batches like those of the script."""
        kind = type(self.batches["train"][0])

        def collate(samples: list[Any]) -> Any:
            batch = default_collate(samples)
            return kind(*batch) if hasattr(kind, "_fields") else batch

        # A real loader over single images: a script may ask it for its batch size, its
        # length or its data set.
        return DataLoader(images, batch_size, collate_fn=collate)

    def small_data(self, wrong: str = "") -> tuple[Any, CountedImages]:
        """Return the script's data module with a few fixed batches in its loaders.

        Args:
            wrong: ``"train"``, ``"val"`` or ``"test"``: all labels of that set are
                wrong.

        Returns:
            The data module, and the test images, which count how often they are read.
        """
        with time_limited("make_data"):
            data = self.script.make_data(self.seed)
        for name, batches in self.batches.items():
            images, labels = stacked(batches)
            if name == wrong:
                labels = mislabelled(labels)
            served = CountedImages(images, labels)
            loader = self.serve(served, len(batches[0][1]))
            setattr(data, f"{name}_dataloader", lambda loader=loader: loader)
        return data, served  # the test set comes last

    def _train(
        self, spy: SpyCallback, *, state: int | None = None, **arguments: Any
    ) -> Run:
        """Call ``train``.

        Args:
            spy: Observes the run.
            state: Seed of the random state that ``train`` finds; by default ``seed``.
            **arguments: For ``train``; ``seed`` is this object's unless given.
        """
        L.seed_everything(self.seed if state is None else state, verbose=False)
        return observe_train(self.script.train, spy, **{"seed": self.seed, **arguments})

    @functools.cached_property
    def full(self) -> Run:
        """The script as it is, on all of its data."""
        with SavedTensors() as saved:
            run = self._train(SpyCallback(saved=saved))
        if not run.spy.epochs:
            raise LearnerError(
                "train returned before any Trainer had finished an epoch; the "
                "scoreboard observes the Trainer that trains the model."
            )
        return run

    @functools.cached_property
    def short(self) -> Run:
        """Four epochs on a few batches; every label of the test set is wrong."""
        data, test = self.small_data(wrong="test")
        save = 1, Path(self._folder.name, "halfway.ckpt")
        spy = SpyCallback(save=save, val=stacked(self.batches["val"]))
        test.clock = lambda: spy.batches
        run = self._train(spy, max_epochs=4, data=data)
        return replace(run, test_reads=test.reads, test_read_after=test.read_after)

    @functools.cached_property
    def resumed(self) -> Run:
        """The short run, resumed half-way."""
        _, halfway = self.short.spy.save
        data, _ = self.small_data()
        return self._train(SpyCallback(), max_epochs=4, resume=str(halfway), data=data)

    @functools.cached_property
    def mislabelled_val(self) -> Run:
        """Up to eight epochs on a few batches; the validation labels are wrong."""
        data, _ = self.small_data(wrong="val")
        images, labels = stacked(self.batches["val"])
        spy = SpyCallback(val=(images, mislabelled(labels)))
        return self._train(spy, max_epochs=8, data=data)

    def early_weights(self, seed: int, state: int) -> tuple[Tensor, Tensor]:
        """Return the weights before and after the first three updates of a run.

        Args:
            seed: Given to ``train``, which trains on its own data: their order and
                their patches are random, too.
            state: Seed of the random state that ``train`` finds.
        """
        spy = SpyCallback(cut_after=3)
        with contextlib.suppress(PowerCut):
            self._train(spy, state=state, seed=seed)
        if not hasattr(spy, "weights"):
            raise LearnerError("train ended before its third update.")
        return spy.start, spy.weights
