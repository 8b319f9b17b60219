"""What a run logs, kept in memory, against what Lightning's own parts keep."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from course_utils.hardware import quiet_trainer
from course_utils.measure.in_memory_logger import EpochEnds, InMemoryLogger


class Counts(L.LightningModule):
    """Logs 0, 1, 2, ... by step and as the mean of the epoch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.count = 0

    def training_step(self, batch, batch_idx):
        self.log("n", float(self.count), on_step=True, on_epoch=True)
        self.count += 1
        return self.weight.sum() * 0

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(logger, every=1, epochs=2, batches=3, **options):
    options = quiet_trainer(accelerator="cpu", logger=logger, **options)
    trainer = L.Trainer(max_epochs=epochs, log_every_n_steps=every, **options)
    trainer.fit(Counts(), DataLoader(torch.zeros(batches, 1)))
    return trainer


def test_an_in_memory_logger_keeps_every_step_and_every_epoch():
    book = InMemoryLogger()
    fit(book)
    assert book.values("n_step") == [0, 1, 2, 3, 4, 5]
    assert book.values("n_epoch") == [1, 4]
    assert book.values("nothing") == []


@pytest.mark.parametrize("every", [1, 2, 50])
def test_an_in_memory_logger_has_the_rows_of_a_csv_logger(every, tmp_path):
    book, csv = InMemoryLogger(), CSVLogger(tmp_path)
    fit([book, csv], every)
    rows = csv.experiment.metrics  # what is not yet written, and then the file
    lines = (tmp_path / "lightning_logs/version_0/metrics.csv").read_text().split()
    names = lines[0].split(",")
    found = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    assert rows == []
    for name in ("n_step", "n_epoch"):
        stored = [float(row[name]) for row in found if row.get(name)]
        assert book.values(name) == stored


def test_epoch_ends_sees_the_mean_where_early_stopping_does():
    ends, stop = EpochEnds(), EarlyStopping("n", patience=1)
    trainer = fit(False, epochs=5, callbacks=[ends, stop])
    assert trainer.current_epoch == 2  # 1, then 4: no better
    assert ends.values("n") == [1, 4]
    assert float(stop.best_score) == 1


def test_epoch_ends_stops_nothing():
    assert fit(False, epochs=4, callbacks=[EpochEnds()]).current_epoch == 4
