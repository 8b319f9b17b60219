"""Symptoms in the model: an incomplete checkpoint, an idle ``lr``, growing memory.

Most look at one model that is trained for a moment, saved and loaded (`RoundTrip`).
"""

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from course_utils.capstone.observed_run import time_limited, unseen_digits
from course_utils.capstone.runs import CountedImages, Runs
from course_utils.capstone.spy_callback import stacked
from course_utils.checks.finding import Finding
from course_utils.checks.fit import applied_rates
from course_utils.checks.sample_data import logits_of, share_correct
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


def _alone(model: L.LightningModule) -> L.LightningModule:
    """Return the model without the callbacks it brings along.

    An early stop would ask for a validation loss, where nothing is validated.
    """
    model.configure_callbacks = list
    return model


def _load(model: L.LightningModule, file: Path) -> tuple[Any, str]:
    try:
        return type(model).load_from_checkpoint(file), ""
    except Exception as error:
        text = " ".join(str(error).split())[:120].rstrip(".")
        return None, (
            "We saved a trained model and loaded it: `load_from_checkpoint` should "
            f"return the model, but raised {type(error).__name__}: {text}."
        )


def round_trip(runs: Runs) -> RoundTrip:
    """Train a model for 30 batches, save it and load it; use as ``runs.once``."""
    data, _ = runs.small_data()
    options = quiet_trainer(accelerator="cpu", max_epochs=3, limit_val_batches=0)
    L.seed_everything(runs.seed, verbose=False)
    with tempfile.TemporaryDirectory() as folder, time_limited("make_model and a fit"):
        model = _alone(runs.script.make_model(lr=LR, dropout=DROPOUT))
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
    before, after = trip.accuracies
    seen = "We saved a trained model, loaded it, and gave both the same images: "
    if torch.equal(*trip.logits):
        return Finding(f"{seen}their logits are the same.", True)
    if abs(after - before) < 0.01:
        apart = (trip.logits[0] - trip.logits[1]).abs().mean().item()
        return Finding(
            f"{seen}their logits should be the same, but differ by {apart:.3f} on "
            "average.",
            False,
        )
    return Finding(
        f"{seen}they should predict the same, but the accuracy went from "
        f"{before:.3f} to {after:.3f}.",
        False,
    )


def _dropout_noise(model: L.LightningModule) -> float:
    """Return how far two passes of a new model, in training mode, are apart in logits.

    The mode is the one it was built with: a part that the script freezes keeps its own.
    """
    images = scaled(unseen_digits()[0][:100])
    state = copy.deepcopy(model.state_dict())  # any values, not tensors only
    passes = []
    for seed in (1, 2):
        model.load_state_dict(copy.deepcopy(state))  # a pass may update statistics
        torch.manual_seed(seed)
        with torch.no_grad(), time_limited("forward"):
            passes.append(model(images))
    return (passes[0] - passes[1]).abs().mean().item()


def _rates(runs: Runs, model: L.LightningModule) -> list[float]:
    """Return the learning rate of each update of two epochs."""
    images = CountedImages(*stacked(runs.batches["train"]))
    loader = runs.serve(images, batch_size=32)
    return applied_rates(_alone(model), loader, max_epochs=2) or [0.0]


def hyperparameters_are_restored(runs: Runs) -> Finding:
    """Check that a loaded model has the settings it was built with (3.1)."""
    trip = runs.once(round_trip)
    if trip.loaded is None:
        return Finding(trip.error, False)
    with time_limited("make_model"):
        wild = runs.script.make_model(dropout=0.9)
    if not _dropout_noise(wild):
        return Finding(
            "We built a model with dropout 0.9: two passes in training mode should "
            "differ, but they are the same.",
            False,
        )
    # Something else may be random in training; then it was so before saving.
    usual, noise = _dropout_noise(trip.model), _dropout_noise(trip.loaded)
    if noise > 1.5 * usual:
        return Finding(
            "We built a model without dropout, saved it and loaded it: it should still "
            "drop nothing, but two passes in training mode differ by "
            f"{noise - usual:.3f} on average.",
            False,
        )
    saved, loaded = (max(_rates(runs, each)) for each in (trip.model, trip.loaded))
    seen = f"We built a model without dropout and with `lr` {LR}, saved it, loaded it: "
    if saved != loaded:
        return Finding(
            f"{seen}its highest learning rate should still be {saved:.5f}, but was "
            f"{loaded:.5f}.",
            False,
        )
    return Finding(f"{seen}both settings came back.", True)


def lr_sets_learning_rate(runs: Runs) -> Finding:
    """Check that the learning rate rises to ``lr`` (3.3)."""
    small, large = 1e-3, 4e-3
    found = []
    for lr in (small, large):
        with time_limited("make_model"):
            model = runs.script.make_model(lr=lr)
        found.append(_rates(runs, model))
    low, high = map(max, found)
    rates = found[1]
    seen = f"We built a model with `lr` {small} and one with {large}: "
    if not 3.9 * low < high < 4.1 * low:
        return Finding(
            f"{seen}the highest learning rate of a run should be four times as high, "
            f"but it was {low:.5f} and {high:.5f}.",
            False,
        )
    # A rate that moves only between epochs may not get far; that is another symptom.
    moves = len(set(rates[: len(rates) // 2])) > 1
    if high > 1.01 * large or (moves and high < 0.7 * large):  # may step over the peak
        return Finding(
            f"We trained with `lr` {large}: the highest learning rate of the run "
            f"should be {large:.5f}, but was {high:.5f}.",
            False,
        )
    return Finding(
        f"{seen}the highest learning rate of a run was {low:.5f} and {high:.5f}.",
        True,
    )


def memory_stays_level(runs: Runs) -> Finding:
    """Check that memory does not grow with the number of batches (7.4)."""
    run = runs.full
    first, *_ = run.spy.graph_bytes  # one batch may keep a graph until the next
    after, most = run.graph_bytes_after, max(run.spy.graph_bytes)
    seen = "We measured the memory that autograd's graphs hold: "
    if after - first > MOST_HELD * MEGABYTE:
        return Finding(
            f"{seen}none should be held any more after training, but "
            f"{after / MEGABYTE:.1f} MB were.",
            False,
        )
    if most - first > MOST_HELD * MEGABYTE:
        return Finding(
            f"{seen}it should stay level from batch to batch, but grew from "
            f"{first / MEGABYTE:.1f} MB to {most / MEGABYTE:.1f} MB during training.",
            False,
        )
    return Finding(
        f"{seen}it stayed level from the first batch to the last, at "
        f"{most / MEGABYTE:.1f} MB.",
        True,
    )
