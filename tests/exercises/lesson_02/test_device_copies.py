"""Bytes that travel, counted by hand and by the probe."""

import lightning as L
import pytest
import torch
from torch import nn

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_02.device_copies import copied_in_step

NUMBERS = 5 * 6
DELIVERED = 4 * NUMBERS + 8 * 5  # float32 images, int64 labels


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(6, 3)

    def noise(self, images):
        return torch.zeros_like(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self.net(images + self.noise(images))
        return nn.functional.cross_entropy(logits, labels)


class Here(Net):
    def noise(self, images):
        return torch.randn(images.shape, device=self.device)


class Moved(Net):
    def noise(self, images):
        return torch.randn(images.shape).to(self.device)


class TypeAs(Net):
    def noise(self, images):
        return torch.randn(images.shape).type_as(images)


class Fetched(Net):
    def noise(self, images):
        return images.cpu().to(images.device)


class MovedDouble(Net):
    def noise(self, images):
        return torch.zeros(images.shape, dtype=torch.float64).to(images.device)


class CopiedInto(Net):
    def noise(self, images):
        return torch.empty_like(images).copy_(torch.zeros(images.shape))


@pytest.mark.parametrize(
    ("module_class", "bytes_a_number"),
    [
        (Net, 0),
        (Here, 0),
        (Moved, 4),
        (TypeAs, 4),
        (Fetched, 8),
        (MovedDouble, 8),
        (CopiedInto, 4),
    ],
)
def test_bytes_of_delivery_and_step_are_counted_apart(module_class, bytes_a_number):
    batch = torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])
    counted = copied_in_step(module_class(), batch)
    assert counted == (DELIVERED, bytes_a_number * NUMBERS)


def test_on_the_cpu_nothing_travels():
    batch = torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])
    assert copied_in_step(Moved(), batch, "cpu") == (0, 0)


def test_an_error_of_the_step_is_a_sentence():
    with pytest.raises(LearnerError, match="training_step raised RuntimeError"):
        copied_in_step(Net(), (torch.rand(5, 5), torch.zeros(5, dtype=torch.int64)))
