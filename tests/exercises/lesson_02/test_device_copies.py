"""What a step leaves to the CPU, counted by hand and by the probe."""

import lightning as L
import pytest
import torch
from torch import nn

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_02.device_copies import CpuWork, cpu_work_of_step

NUMBERS = 5 * 6


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


class DrawnIntoAnEmptyOne(Net):
    def noise(self, images):
        return torch.empty(images.shape).normal_().to(images.device)


class DropsHere(Net):
    def noise(self, images):
        return nn.functional.dropout(torch.rand_like(images), 0.5, training=True)


@pytest.mark.parametrize(
    ("module_class", "drawn", "bytes_per_number"),
    [
        (Net, 0, 0),
        (Here, 0, 0),
        (DropsHere, 0, 0),
        (Moved, 1, 4),
        (TypeAs, 1, 4),
        (DrawnIntoAnEmptyOne, 1, 4),
        (Fetched, 0, 8),
        (MovedDouble, 0, 8),
        (CopiedInto, 0, 4),
    ],
)
def test_what_a_step_on_a_gpu_leaves_to_the_cpu(module_class, drawn, bytes_per_number):
    batch = torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])
    work = cpu_work_of_step(module_class(), batch)
    assert work == CpuWork(drawn * NUMBERS, bytes_per_number * NUMBERS)


@pytest.mark.parametrize("module_class", [Here, Moved])
def test_on_the_cpu_it_draws_and_nothing_travels(module_class):
    batch = torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])
    assert cpu_work_of_step(module_class(), batch, "cpu") == CpuWork(NUMBERS, 0)


def test_an_error_of_the_step_is_a_sentence():
    with pytest.raises(LearnerError, match="training_step raised RuntimeError"):
        cpu_work_of_step(Net(), (torch.rand(5, 5), torch.zeros(5, dtype=torch.int64)))
