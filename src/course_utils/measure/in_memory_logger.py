"""Keep what a run logs in memory: what the logger gets, and what callbacks see."""

from collections.abc import Mapping
from typing import Any
from unittest import mock

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers.logger import Logger


class InMemoryLogger(Logger):
    """A logger without files: hand it to a ``Trainer`` and read its rows afterwards.

    Like every logger it gets a row every ``log_every_n_steps`` optimizer steps, and one
    at the end of an epoch.

    Attributes:
        rows: Step number and the metrics logged together with it, in order.

    Example:
        >>> logger = InMemoryLogger()
        >>> logger.log_metrics({"loss": 2.0}, step=0)
        >>> logger.log_metrics({"loss": 1.5, "lr": 0.1}, step=1)
        >>> logger.values("loss"), logger.values("lr")
        ([2.0, 1.5], [0.1])
    """

    name, version = "in_memory", ""  # fixed: nothing is written to disk

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Keep no hyperparameters."""

    def log_metrics(
        self, metrics: Mapping[str, float], step: int | None = None
    ) -> None:
        """Append one row."""
        row = {name: float(value) for name, value in metrics.items()}
        self.rows.append((-1 if step is None else step, row))

    def values(self, name: str) -> list[float]:
        """Return all values logged under ``name``, in order; none if there are none."""
        return [row[name] for _, row in self.rows if name in row]


class AnyLogger(InMemoryLogger):
    """One whose ``experiment`` takes anything, for modules that talk to a writer.

    Attributes:
        save_dir: Where a module may write, which asks its logger or Trainer.
    """

    save_dir = ""

    def __init__(self, folder: str) -> None:
        """Name a folder."""
        super().__init__()
        self.save_dir = folder

    @property
    def experiment(self) -> Any:
        """Stand in for TensorBoard's writer and its like."""
        return mock.MagicMock()


class EpochEnds(EarlyStopping):
    """Keep the metrics that ``EarlyStopping`` finds at the end of each epoch.

    It is one, so it looks at the same moment; it stops nothing.

    Attributes:
        metrics: All metrics that callbacks see, one table per epoch.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(monitor="")
        self.metrics: list[dict[str, float]] = []

    def on_validation_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        """Wait for the end of the epoch."""

    def on_train_epoch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        """Keep the metrics of this epoch."""
        seen = trainer.callback_metrics
        self.metrics.append({name: float(value) for name, value in seen.items()})

    def values(self, name: str) -> list[float]:
        """Return ``name`` at the end of each epoch in which it was there."""
        return [table[name] for table in self.metrics if name in table]
