"""The runs of a script that its symptoms are read from; each is made once."""

import contextlib
import functools
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from course_utils.capstone.observed_run import Run, limited, observed
from course_utils.capstone.spy_callback import PowerCut, Watch, stacked
from course_utils.checks.learner_code import LearnerError
from course_utils.measure import SavedTensors

BATCHES = 10  # of a short run
Batches = list[Any]


class _Counted(Dataset[Any]):
    """Ready-made batches that count how often they are read."""

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
        self._kept: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what ``make`` returned when it was first asked for under ``name``."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    @functools.cached_property
    def batches(self) -> dict[str, Batches]:
        """A few batches of each of the script's loaders, by ``train, val, test``."""
        L.seed_everything(self.seed, verbose=False)
        with limited("make_data"):
            data = self.script.make_data(self.seed)
            data.prepare_data()
            found = {}
            for name, stage in (("train", "fit"), ("val", "fit"), ("test", "test")):
                if name != "val":
                    data.setup(stage)
                loader = getattr(data, f"{name}_dataloader")()
                found[name] = list(itertools.islice(loader, BATCHES))
        return found

    def small_data(self, **changes: Batches) -> tuple[L.LightningDataModule, _Counted]:
        """Return the script's data module with a few fixed batches in its loaders.

        Args:
            **changes: Other batches for ``train``, ``val`` or ``test``.
        """
        with limited("make_data"):
            data = self.script.make_data(self.seed)
        served = {n: _Counted(b) for n, b in (self.batches | changes).items()}
        for name, batches in served.items():
            loader = DataLoader(batches, batch_size=None)
            setattr(data, f"{name}_dataloader", lambda loader=loader: loader)
        return data, served["test"]

    def call(self, watch: Watch, seed: int | None = None, **arguments: Any) -> Run:
        """Call ``train`` once, with this seed or another."""
        given = self.seed if seed is None else seed
        return observed(self.script.train, watch, given, **arguments)

    @functools.cached_property
    def full(self) -> Run:
        """The script as it is, on all of its data."""
        L.seed_everything(self.seed, verbose=False)
        with SavedTensors() as saved:
            return self.call(Watch(saved=saved))

    @functools.cached_property
    def halfway(self) -> Path:
        """A checkpoint of the short run, after two of its four epochs."""
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        return Path(self._folder.name) / "halfway.ckpt"

    @functools.cached_property
    def short(self) -> Run:
        """Four epochs on a few batches; every label of the test set is wrong."""
        L.seed_everything(self.seed, verbose=False)
        data, test = self.small_data(test=mislabelled(self.batches["test"]))
        val = stacked(self.batches["val"])
        watch = Watch(save=(1, self.halfway), val=val)
        run = self.call(watch, max_epochs=4, data=data)
        return Run(**{**vars(run), "test_reads": test.reads})

    @functools.cached_property
    def resumed(self) -> Run:
        """The short run, resumed half-way."""
        expected = self.short
        L.seed_everything(self.seed, verbose=False)
        data, _ = self.small_data()
        assert expected.watch.epochs
        return self.call(Watch(), max_epochs=4, resume=str(self.halfway), data=data)

    @functools.cached_property
    def misled(self) -> Run:
        """Up to eight epochs on a few batches; the validation labels are wrong."""
        L.seed_everything(self.seed, verbose=False)
        val = mislabelled(self.batches["val"])
        data, _ = self.small_data(val=val)
        return self.call(Watch(val=stacked(val)), max_epochs=8, data=data)

    def first_weights(self, seed: int, state: int) -> Tensor:
        """Return the weights after three updates of a run.

        Args:
            seed: Given to ``train``.
            state: Seed of the random state that ``train`` finds.
        """
        data, _ = self.small_data()
        watch = Watch(cut_after=3)
        L.seed_everything(state, verbose=False)
        with contextlib.suppress(PowerCut):
            self.call(watch, seed, data=data)
        if not hasattr(watch, "weights"):
            raise LearnerError("train ended before its third update.")
        return watch.weights
