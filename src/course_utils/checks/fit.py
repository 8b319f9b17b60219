"""Train a learner's module quietly."""

from collections.abc import Sequence
from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from course_utils.checks.learner_code import learners_code
from course_utils.hardware import quiet_trainer
from course_utils.measure import AppliedRates, InMemoryLogger


def loader_of(batches: Sequence[Any]) -> DataLoader[Any]:
    """Return a loader that delivers ready-made batches as they are."""
    return DataLoader(list(batches), batch_size=None)


def fit(
    module: L.LightningModule,
    train: Any,
    val: Any = None,
    *,
    ckpt_path: Any = None,
    **trainer: Any,
) -> L.Trainer:
    """Train ``module`` on the CPU, for one epoch unless told otherwise.

    Args:
        module: Is trained.
        train: Ready-made batches, in the form that ``training_step`` expects, as a
            list; or a loader or data module, as the Trainer should get it.
        val: Loader of validation batches, if there are any.
        ckpt_path: Checkpoint to resume from.
        **trainer: Arguments of the Trainer that replace or extend the quiet ones.

    Raises:
        LearnerError: If training raises.
    """
    loader = loader_of(train) if isinstance(train, Sequence) else train
    options = quiet_trainer(**{"accelerator": "cpu", "max_epochs": 1, **trainer})
    with learners_code("Resuming" if ckpt_path else "Training"):
        fitted = L.Trainer(**options)
        fitted.fit(module, loader, val, ckpt_path=ckpt_path)
    return fitted


def applied_rates(
    module: L.LightningModule,
    loader: DataLoader[Any],
    logger: InMemoryLogger | None = None,
    **trainer: Any,
) -> list[float]:
    """Train on the CPU and return the learning rate of each update.

    Args:
        module: Is trained.
        loader: Training batches, as the Trainer should get them.
        logger: Gets what each update logs.
        **trainer: Arguments of the Trainer, for example ``max_epochs``.

    Raises:
        LearnerError: If training raises.
    """
    with AppliedRates() as rates:
        fit(module, loader, logger=logger or False, log_every_n_steps=1, **trainer)
    return rates.values
