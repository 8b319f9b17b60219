"""The exercise of the start page."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import (
    digits,
    logits_of,
    quiet_function,
    train_briefly,
)
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_00.eval_mode import (
    leaves_no_trace,
    measures_in_eval_mode,
)


def _frozen_encoder_and_head() -> nn.Module:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.BatchNorm1d(32))
    model = nn.Sequential(encoder, nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))
    train_briefly(model)
    return model


def leaves_no_trace_behind(answer: Any) -> Iterator[Finding]:
    """Examine exercise 0.1 with a model that has dropout and batch normalization."""
    score = quiet_function(answer)
    model = _frozen_encoder_and_head()
    images, labels = digits(200)
    truth = (logits_of(model, images).argmax(1) == labels).float().mean().item()
    yield measures_in_eval_mode(score, model, images, labels, truth)
    yield from leaves_no_trace(score, model, images, labels)


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
