"""What else a training step may do to its batch."""

import pytest
import torch
from learner import answer, denoiser

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_12.untouched_batch import (
    batch_untouched,
    loss_trains,
)

TRAIN = "def training_step(self, batch, batch_idx):\n    images, _ = batch\n"
BATCH = torch.rand(4, 1, 28, 28), torch.arange(4)


def test_a_changed_label_shows_too():
    body = "    batch[1][0] = 7\n    return self(images).sum()"
    assert not batch_untouched(answer(denoiser(TRAIN + body))(), BATCH).ok


def test_a_backward_pass_that_fails_is_the_learners_error():
    body = "    images = images.clone()\n    out = self(images)\n    images.zero_()\n"
    module = answer(denoiser(TRAIN + body + "    return out.square().mean()"))()
    with pytest.raises(LearnerError, match="changed in place"):
        loss_trains(module, BATCH)
