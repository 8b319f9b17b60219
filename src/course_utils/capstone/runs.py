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
from torch.utils.data import DataLoader, Dataset

from course_utils.capstone.observed_run import Run, observe_train, time_limited
from course_utils.capstone.spy_callback import PowerCut, SpyCallback, stacked
from course_utils.checks.learner_code import LearnerError
from course_utils.measure import SavedTensors

BATCHES = 10  # of a short run
Batches = list[Any]
T = TypeVar("T")


class _CountedBatches(Dataset[Any]):
    """Ready-made batches that count how often they are read from the start."""

    def __init__(self, batches: Batches) -> None:
        self.batches, self.reads = batches, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        self.reads += index == 0
        return self.batches[index]


def mislabelled(batches: Batches) -> Batches:
    """Return the batches with every label wrong."""
    return [(images, (labels + 1) % 10) for images, labels in batches]


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

    def small_data(
        self, **changes: Batches
    ) -> tuple[L.LightningDataModule, _CountedBatches]:
        """Return the script's data module with a few fixed batches in its loaders.

        Args:
            **changes: Other batches for ``train``, ``val`` or ``test``.

        Returns:
            The data module, and the test batches, which count how often they are read.
        """
        with time_limited("make_data"):
            data = self.script.make_data(self.seed)
        served = {n: _CountedBatches(b) for n, b in (self.batches | changes).items()}
        for name, batches in served.items():
            loader = DataLoader(batches, batch_size=None)
            setattr(data, f"{name}_dataloader", lambda loader=loader: loader)
        return data, served["test"]

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
            return self._train(SpyCallback(saved=saved))

    @functools.cached_property
    def short(self) -> Run:
        """Four epochs on a few batches; every label of the test set is wrong."""
        data, test = self.small_data(test=mislabelled(self.batches["test"]))
        save = 1, Path(self._folder.name, "halfway.ckpt")
        spy = SpyCallback(save=save, val=stacked(self.batches["val"]))
        run = self._train(spy, max_epochs=4, data=data)
        return replace(run, test_reads=test.reads)

    @functools.cached_property
    def resumed(self) -> Run:
        """The short run, resumed half-way."""
        _, halfway = self.short.spy.save
        data, _ = self.small_data()
        return self._train(SpyCallback(), max_epochs=4, resume=str(halfway), data=data)

    @functools.cached_property
    def mislabelled_val(self) -> Run:
        """Up to eight epochs on a few batches; the validation labels are wrong."""
        val = mislabelled(self.batches["val"])
        data, _ = self.small_data(val=val)
        return self._train(SpyCallback(val=stacked(val)), max_epochs=8, data=data)

    def early_weights(self, seed: int, state: int) -> Tensor:
        """Return the weights after three updates of a run, as one vector.

        Args:
            seed: Given to ``train``.
            state: Seed of the random state that ``train`` finds.
        """
        data, _ = self.small_data()
        spy = SpyCallback(cut_after=3)
        with contextlib.suppress(PowerCut):
            self._train(spy, state=state, seed=seed, data=data)
        if not hasattr(spy, "weights"):
            raise LearnerError("train ended before its third update.")
        return spy.weights
