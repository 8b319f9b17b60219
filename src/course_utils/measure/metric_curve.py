"""Follow a logged metric, batch by batch."""

from typing import Any

import lightning as L


class MetricCurve(L.Callback):
    """Keep a logged metric after every training batch.

    Attributes:
        values: One number for each batch so far.
    """

    def __init__(self, name: str) -> None:
        """Follow the metric that ``self.log`` knows as ``name``."""
        self.name = name
        self.values: list[float] = []

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Append the newest value.

        Raises:
            ValueError: If nothing was logged under that name.
        """
        logged = trainer.callback_metrics
        if self.name not in logged:
            raise ValueError(
                f"Expected a metric logged as {self.name!r} but got "
                f"{', '.join(logged) or 'none'}; log it in training_step."
            )
        self.values.append(float(logged[self.name]))
