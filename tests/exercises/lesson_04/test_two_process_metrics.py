"""Validations whose metrics are exact in one process and in two, and others."""

import lightning as L
import pytest
import torch
import torchmetrics
from torch.utils.data import DataLoader

from course_utils.exercises.lesson_04.exercises import Files
from course_utils.exercises.lesson_04.two_process_metrics import metrics_are_exact

VALUES = torch.tensor([1.0, 2, 3, 4, 5, 9])
LOADER = DataLoader(Files(VALUES, torch.zeros(6), first=4), batch_size=3)
TRUTHS = {"mean": 4.0, "top": 9.0, "sum": 24.0}
MISTAKES = {"mean": {"This is the first file.": 2.5}, "sum": {"First.": 10.0}}


class Reports(L.LightningModule):
    def __init__(self, sync, names=("mean", "top", "sum")):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.sync, self.names = sync, names

    def validation_step(self, batch, batch_idx):
        values = batch[0]
        mean, top, total = self.names
        self.log(mean, values.mean(), sync_dist=self.sync)
        self.log(top, values.max(), sync_dist=self.sync, reduce_fx="max")
        self.log(total, values.sum(), sync_dist=self.sync, reduce_fx="sum")


class Objects(Reports):
    def __init__(self):
        super().__init__(False)
        self.metrics = torch.nn.ModuleDict(
            {
                "mean": torchmetrics.MeanMetric(),
                "top": torchmetrics.MaxMetric(),
                "sum": torchmetrics.SumMetric(),
            }
        )

    def validation_step(self, batch, batch_idx):
        for name, metric in self.metrics.items():
            metric(batch[0])
            self.log(name, metric)


class Averages(Reports):
    def validation_step(self, batch, batch_idx):
        values = batch[0]
        for name, value in zip(
            self.names, (values.mean(), values.max(), values.sum()), strict=True
        ):
            self.log(name, value, sync_dist=True)


TABLE = {  # module, processes, verdict on mean, top and sum
    "synced, alone": (lambda: Reports(True), 1, (True, True, True)),
    "synced, two": (lambda: Reports(True), 2, (True, True, True)),
    "unsynced, alone": (lambda: Reports(False), 1, (True, True, True)),
    "unsynced, two": (lambda: Reports(False), 2, (False, False, False)),
    "objects, alone": (Objects, 1, (True, True, True)),
    "objects, two": (Objects, 2, (True, True, True)),
    "averages, alone": (lambda: Averages(True), 1, (True, False, False)),
    "averages, two": (lambda: Averages(True), 2, (True, False, False)),
}


@pytest.mark.parametrize(("make", "processes", "oks"), TABLE.values(), ids=TABLE)
def test_each_metric_is_judged(make, processes, oks):
    found = metrics_are_exact(make(), LOADER, TRUTHS, MISTAKES, processes)
    assert tuple(finding.ok for finding in found) == oks, found


def test_a_known_mistake_is_named():
    mean, top, _ = metrics_are_exact(Reports(False), LOADER, TRUTHS, MISTAKES, 2)
    assert mean.seen == "mean is 2.500 with 2 processes, exact is 4.000."
    assert mean.remedy == "This is the first file."
    assert top.remedy == "Say how batches and processes are combined."


def test_a_missing_metric_is_named():
    module = Reports(True, ("average", "top", "sum"))
    first, *_ = metrics_are_exact(module, LOADER, TRUTHS, MISTAKES)
    assert first.seen == (
        "Callbacks find no metric 'mean'; they see average, top, sum."
    )
