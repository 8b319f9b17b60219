"""Train a learner's module quietly."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import lightning as L
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader

from course_utils.checks.learner_code import learners_code
from course_utils.hardware import quiet_trainer
from course_utils.measure import AppliedRates, OptimizerRecorder


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


# Of one parameter group: class of its optimizer, rate, momentum.
Setting = tuple[str, float, float]


def applied_settings(optimizer: Optimizer) -> list[tuple[tuple[int, int], Setting]]:
    """Return the settings of each parameter group, beside what tells it from others.

    Any kind of SGD counts as SGD.
    """
    kind = "SGD" if isinstance(optimizer, SGD) else type(optimizer).__name__
    return [
        ((id(optimizer), i), (kind, float(g["lr"]), float(g.get("momentum", 0.0))))
        for i, g in enumerate(optimizer.param_groups)
    ]


def settings_by_group(
    module: L.LightningModule, loader: DataLoader[Any], **trainer: Any
) -> list[list[Setting]]:
    """Train on the CPU and return each parameter group's settings, update by update.

    Groups that have the same settings all the time are one; an optimizer of each kind
    of weights makes several.

    Args:
        module: Is trained.
        loader: Training batches, as the Trainer should get them.
        **trainer: Arguments of the Trainer, for example ``max_epochs``.

    Raises:
        LearnerError: If training raises.
    """
    with OptimizerRecorder(applied_settings) as recorder:
        fit(module, loader, **trainer)
    found: dict[tuple[int, int], list[Setting]] = {}
    for group, setting in chain.from_iterable(recorder.values):
        found.setdefault(group, []).append(setting)
    return [list(settings) for settings in dict.fromkeys(map(tuple, found.values()))]


def applied_rates(
    module: L.LightningModule, loader: DataLoader[Any], **trainer: Any
) -> list[float]:
    """Train on the CPU and return the learning rate of each update.

    Args:
        module: Is trained.
        loader: Training batches, as the Trainer should get them.
        **trainer: Arguments of the Trainer, for example ``max_epochs``.

    Raises:
        LearnerError: If training raises.
    """
    with AppliedRates() as rates:
        fit(module, loader, **trainer)
    return rates.values
