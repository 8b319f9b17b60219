"""Symptoms in the model: an incomplete checkpoint, an idle ``lr``, growing memory.

Most look at one model that is trained for a moment, saved and loaded (`RoundTrip`).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils.capstone.observed_run import time_limited, unseen_digits
from course_utils.capstone.runs import Runs
from course_utils.capstone.spy_callback import share_correct
from course_utils.checks.finding import Finding
from course_utils.checks.fit import applied_rates
from course_utils.checks.sample_data import logits_of
from course_utils.data import scaled
from course_utils.hardware import quiet_trainer
from course_utils.measure.memory import MEGABYTE

LR, DROPOUT = 2e-3, 0.0  # not the script's defaults, which load without being saved
MOST_HELD = 2.0  # megabytes


@dataclass(frozen=True)
class RoundTrip:
    """A model that was trained for 30 batches, and what came back from its file.

    Attributes:
        model: Before saving.
        loaded: After loading, None if the file does not load.
        logits: Of the unseen digits, before and after, each ``(1000, 10)``; twice the
            same if the file does not load.
        error: Why it does not load, as a sentence.
        train_names: Metrics that training logs.
        val_names: Metrics that validation logs.
    """

    model: L.LightningModule
    loaded: L.LightningModule | None
    logits: tuple[Tensor, Tensor]
    error: str
    train_names: frozenset[str]
    val_names: frozenset[str]

    @property
    def accuracies(self) -> tuple[float, float]:
        """Accuracy on the unseen digits, before saving and after loading."""
        before, after = (share_correct(v, unseen_digits()[1]) for v in self.logits)
        return before, after


def _load(model: L.LightningModule, file: Path) -> tuple[Any, str]:
    try:
        return type(model).load_from_checkpoint(file), ""
    except Exception as error:
        text = " ".join(str(error).split())[:120].rstrip(".")
        return None, f"The checkpoint does not load: {type(error).__name__}, {text}."


def round_trip(runs: Runs) -> RoundTrip:
    """Train a model for 30 batches, save it and load it; use as ``runs.once``."""
    data, _ = runs.small_data()
    options = quiet_trainer(accelerator="cpu", max_epochs=3, limit_val_batches=0)
    L.seed_everything(runs.seed, verbose=False)
    with tempfile.TemporaryDirectory() as folder, time_limited("make_model and a fit"):
        model = runs.script.make_model(lr=LR, dropout=DROPOUT)
        trainer = L.Trainer(**options)
        trainer.fit(model, data)
        train_names = frozenset(trainer.callback_metrics)
        file = Path(folder) / "trip.ckpt"
        trainer.save_checkpoint(file)
        # Another Trainer: the first would list the names of both phases together.
        again = L.Trainer(**quiet_trainer(accelerator="cpu"))
        val_names = frozenset(again.validate(model, data, verbose=False)[0])
        loaded, error = _load(model, file)
        images = scaled(unseen_digits()[0])
        before = logits_of(model, images)
        after = before if loaded is None else logits_of(loaded, images)
    return RoundTrip(model, loaded, (before, after), error, train_names, val_names)


def predictions_survive_loading(runs: Runs) -> Finding:
    """Check that a loaded model predicts what the saved one did (2.3)."""
    trip = runs.once(round_trip)
    if trip.loaded is None:
        return Finding(trip.error, False)
    same, (before, after) = torch.equal(*trip.logits), trip.accuracies
    seen = (
        f"Saved and loaded, the same model has {after:.3f} instead of "
        f"{before:.3f} accuracy."
    )
    if abs(after - before) < 0.01:
        logits = "the same" if same else "other"
        seen = f"Saved and loaded, the same model gives {logits} logits."
    return Finding(seen, same)


def _dropout_noise(model: L.LightningModule) -> float:
    """Return how far two passes of a new model, in training mode, are apart in logits.

    The mode is the one it was built with: a part that the script freezes keeps its own.
    """
    images = scaled(unseen_digits()[0][:100])
    state = {name: value.clone() for name, value in model.state_dict().items()}
    passes = []
    for seed in (1, 2):
        model.load_state_dict(state)  # a pass may update running statistics
        torch.manual_seed(seed)
        with torch.no_grad(), time_limited("forward"):
            passes.append(model(images))
    return (passes[0] - passes[1]).abs().mean().item()


def _highest_rate(runs: Runs, model: L.LightningModule) -> float:
    loader = DataLoader(runs.batches["train"][:4], batch_size=None)
    return max(applied_rates(model, loader, max_epochs=2), default=0.0)


def hyperparameters_are_restored(runs: Runs) -> Finding:
    """Check that a loaded model has the settings it was built with (3.1)."""
    trip, remedy = runs.once(round_trip), ""
    if trip.loaded is None:
        return Finding(trip.error, False)
    with time_limited("make_model"):
        wild = runs.script.make_model(dropout=0.9)
    if not _dropout_noise(wild):
        seen = "Built with dropout 0.9, the model drops nothing."
        return Finding(seen, False, "Keep the dropout, and its setting.")
    noise = _dropout_noise(trip.loaded)
    saved, loaded = _highest_rate(runs, trip.model), _highest_rate(runs, trip.loaded)
    if noise:
        seen = (
            "Built without dropout, saved and loaded, the model drops out again: "
            f"two passes differ by {noise:.3f}."
        )
    elif saved != loaded:
        seen = f"Loaded, it trains with {loaded:.5f} instead of {saved:.5f}."
        remedy = "The dropout comes back by now; the learning rate does not."
    else:
        seen = "Built without dropout, it comes back without dropout."
    return Finding(seen, not noise and saved == loaded, remedy)


def lr_sets_learning_rate(runs: Runs) -> Finding:
    """Check that the learning rates that are applied follow ``lr`` (3.3)."""
    found = []
    for lr in (1e-3, 4e-3):
        with time_limited("make_model"):
            model = runs.script.make_model(lr=lr)
        found.append(_highest_rate(runs, model))
    times = found[1] / found[0] if found[0] else 0.0
    seen = f"Four times the `lr` gives {times:.2f} times the learning rate."
    good, remedy = 3.9 < times < 4.1, ""
    if not good and abs(times - 1) > 0.01:
        remedy = "The rates change, but do not follow; look for a second fixed number."
    return Finding(seen, good, remedy)


def memory_stays_level(runs: Runs) -> Finding:
    """Check that memory does not grow with the number of batches (7.4)."""
    run = runs.full
    after, most = (
        each / MEGABYTE for each in (run.graph_bytes_after, max(run.spy.graph_bytes))
    )
    seen, remedy = f"After training, {after:.1f} MB of graphs are still held.", ""
    if after < MOST_HELD <= most:
        seen = f"During training, up to {most:.1f} MB of graphs are held."
        remedy = "They are let go too late; hold numbers, not graphs."
    return Finding(seen, max(after, most) < MOST_HELD, remedy)
