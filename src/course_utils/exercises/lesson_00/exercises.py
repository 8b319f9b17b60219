"""The exercise of the start page."""

from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import (
    digits,
    logits_of,
    quiet_function,
    share_correct,
    train_briefly,
)
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_00.eval_mode import (
    keeps_modes,
    keeps_tensors,
    measures_in_eval_mode,
)


class HidesUnits(nn.Module):
    """Dropout that is no ``nn.Dropout``: only its mode says what it does."""

    def forward(self, features: Tensor) -> Tensor:
        """Drop seven of ten units in training mode."""
        return F.dropout(features, 0.7, self.training)


class NestedClassifier(L.LightningModule):
    """A classifier with parts inside parts that differ between the two modes."""

    def __init__(self) -> None:
        """Draw weights from the global generator."""
        super().__init__()
        block = nn.Sequential(nn.BatchNorm1d(32), nn.ReLU(), HidesUnits())
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), block)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(32, 10))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of shape ``(batch, 10)``."""
        return self.head(self.encoder(images))


def leaves_no_trace_behind(answer: Any) -> Iterator[Finding]:
    """Examine exercise 0.1 with a model that has dropout and batch normalization."""
    score = quiet_function(answer)
    torch.manual_seed(0)
    model = NestedClassifier()
    train_briefly(model)
    # Dark images: the running statistics of the lighter ones are far from their own.
    for count, light in ((200, 1.0), (130, 0.2)):
        images, labels = digits(count)
        images = light * images
        truth = share_correct(logits_of(model, images), labels)
        yield measures_in_eval_mode(score, model, images, labels, truth)
    yield from keeps_modes(score, model, images[:20], labels[:20])
    yield keeps_tensors(score, model, images, labels)


_0_1 = Exercise(
    practice="0.1",
    examine=leaves_no_trace_behind,
    hints=(
        "model.eval() changes the mode. How do you know what it was before?",
        "Each part has its own mode: for part in model.modules(): part.training.",
        "Keep modes = [part.training for part in model.modules()], call model.eval(), "
        "measure, then set part.training back for each part.",
    ),
    reason="Measured in evaluation mode, and every part left as it came.",
)

EXERCISES = (_0_1,)
