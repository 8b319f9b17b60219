"""Call a job that trains in another process, which may be killed on the way."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.checks.several_processes import without_wrapper
from course_utils.distributed import (
    NotKilledError,
    ProcessError,
    kill_this_process,
    run_processes,
    run_until_killed,
)
from course_utils.measure import flat_weights

EPOCHS, BATCHES, SIZE = 4, 5, 8  # of the job
Job = Callable[[L.LightningModule, DataLoader[Any], str], Any]


@dataclass(frozen=True)
class Update:
    """One update of the weights.

    Attributes:
        epoch: From 1.
        samples: Numbers of the samples in its batch.
        weights: Digest of all parameters after it.
    """

    epoch: int
    samples: tuple[int, ...]
    weights: str


def _digest(module: nn.Module) -> str:
    return hashlib.sha1(flat_weights(module).numpy().tobytes()).hexdigest()


def _module(log: Path, kill_after: int | None) -> L.LightningModule:
    """Return a module that writes each update to a file and may kill its process.

    The class is defined here so that ``type(module)()`` needs no arguments.
    """

    class LogsUpdates(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            layers = nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2)
            self.net = nn.Sequential(*layers)
            self.updates = 0

        def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
            features, labels, self.samples = batch
            return F.cross_entropy(self.net(features), labels)

        def on_train_batch_end(self, *_: Any) -> None:
            self.updates += 1
            entry = self.current_epoch + 1, self.samples.tolist(), _digest(self)
            # Closed after each line, so that a kill loses none.
            with log.open("a") as lines:
                lines.write(json.dumps(entry) + "\n")
            if self.updates == kill_after:
                kill_this_process()

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["random_state"] = torch.get_rng_state()

        def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            torch.set_rng_state(checkpoint["random_state"])

    return LogsUpdates()


def _loader() -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(BATCHES * SIZE, 8, generator=generator)
    labels = (features.sum(1) > 0).long()
    data = TensorDataset(features, labels, torch.arange(len(labels)))
    return DataLoader(data, batch_size=SIZE, shuffle=True)


def call_job(job: Job, folder: Path, seed: int, kill_after: int | None) -> list[Update]:
    """Call the job in another process and return the updates that it made.

    Its working folder is empty, so that a file saved without a folder is not found by
    the next call.

    Args:
        job: Gets a new module and a new loader.
        folder: Where its files stay, from one call to the next.
        seed: Of the call; it also names the file of updates.
        kill_after: Updates of this call after which the process is killed; None: never.

    Raises:
        LearnerError: If the job raises.
        CannotCheck: If no process can be started.
    """
    log = folder / f"updates {seed}.jsonl"
    log.touch()
    (folder / "files").mkdir(exist_ok=True)
    elsewhere = folder / f"working folder {seed}"
    elsewhere.mkdir()

    def work() -> None:
        os.chdir(elsewhere)
        L.seed_everything(seed, verbose=False)
        job(_module(log, kill_after), _loader(), str(folder / "files"))

    try:
        if kill_after is None:
            run_processes(work, processes=1)
        else:
            run_until_killed(work)
    except NotKilledError:
        pass  # the job made fewer updates than that and returned
    except ProcessError as error:
        raise LearnerError(without_wrapper(str(error))) from error
    except OSError as error:
        raise CannotCheck(f"No second process could be started: {error}.") from error
    entries = map(json.loads, log.read_text().splitlines())
    return [Update(epoch, tuple(numbers), w) for epoch, numbers, w in entries]
