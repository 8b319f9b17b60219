"""Symptoms in the model: what its file forgets, what it obeys, what it holds."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils.capstone.observed_run import limited, new_digits
from course_utils.capstone.runs import Runs
from course_utils.checks.finding import Finding
from course_utils.checks.fit import applied_rates
from course_utils.checks.sample_data import logits_of
from course_utils.data.data_module import scaled
from course_utils.hardware import quiet_trainer
from course_utils.measure.memory import MEGABYTE

LR, DROPOUT = 2e-3, 0.0  # other values than the script's own
MOST_HELD = 2.0  # megabytes


@dataclass(frozen=True)
class Trip:
    """A model that was trained a little, and what came back from its file.

    Attributes:
        model: Before.
        loaded: After, None if the file does not load.
        logits: Of new digits, before and after; the same before if it does not load.
        error: Why it does not, as a sentence.
        train_names: Metrics that training logs.
        val_names: Metrics that validation logs.
    """

    model: L.LightningModule
    loaded: L.LightningModule | None
    logits: tuple[Tensor, Tensor]
    error: str
    train_names: frozenset[str]
    val_names: frozenset[str]


def _loaded(model: L.LightningModule, file: Path) -> tuple[Any, str]:
    try:
        return type(model).load_from_checkpoint(file), ""
    except Exception as error:
        text = " ".join(str(error).split())[:120].rstrip(".")
        return None, f"The checkpoint does not load: {type(error).__name__}, {text}."


def trip(runs: Runs) -> Trip:
    """Return a model, trained for 30 batches, saved and loaded, and what it logs."""
    return runs.once("trip", lambda: _make_trip(runs))


def _make_trip(runs: Runs) -> Trip:
    data, _ = runs.small_data()
    options = quiet_trainer(accelerator="cpu", max_epochs=3, limit_val_batches=0)
    L.seed_everything(runs.seed, verbose=False)
    with tempfile.TemporaryDirectory() as folder, limited("make_model and a fit"):
        model = runs.script.make_model(lr=LR, dropout=DROPOUT)
        trainer = L.Trainer(**options)
        trainer.fit(model, data)
        train_names = frozenset(trainer.callback_metrics)
        file = Path(folder) / "trip.ckpt"
        trainer.save_checkpoint(file)
        again = L.Trainer(**quiet_trainer(accelerator="cpu"))
        val_names = frozenset(again.validate(model, data, verbose=False)[0])
        loaded, error = _loaded(model, file)
        images = scaled(new_digits()[0])
        before = logits_of(model, images)
        after = before if loaded is None else logits_of(loaded, images)
    return Trip(model, loaded, (before, after), error, train_names, val_names)


def accuracy_of(logits: Tensor) -> float:
    """Return the share of the new digits that these logits tell right."""
    return (logits.argmax(1) == new_digits()[1]).float().mean().item()


def file_is_complete(runs: Runs) -> Finding:
    """Ask whether a loaded model predicts what the saved one did (2.3)."""
    found = trip(runs)
    if found.loaded is None:
        return Finding(found.error, False)
    before, after = found.logits
    same = torch.equal(before, after)
    seen = (
        f"Saved and loaded, the same model has {accuracy_of(after):.3f} instead of "
        f"{accuracy_of(before):.3f} accuracy."
    )
    if abs(accuracy_of(after) - accuracy_of(before)) < 0.01:
        logits = "the same" if same else "other"
        seen = f"Saved and loaded, the same model gives {logits} logits."
    return Finding(seen, same)


def _varies(model: L.LightningModule) -> float:
    """Return how far two random passes in training mode lie apart, in logits."""
    images = scaled(new_digits()[0][:100])
    state = {name: value.clone() for name, value in model.state_dict().items()}
    passes = []
    for seed in (1, 2):
        model.load_state_dict(state)  # a pass may update running statistics
        torch.manual_seed(seed)
        with torch.no_grad(), limited("forward"):
            passes.append(model.train()(images))
    return (passes[0] - passes[1]).abs().mean().item()


def _highest(runs: Runs, model: L.LightningModule) -> float:
    loader = DataLoader(runs.batches["train"][:4], batch_size=None)
    return max(applied_rates(model, loader, max_epochs=2), default=0.0)


def settings_come_back(runs: Runs) -> Finding:
    """Ask whether a loaded model has the settings it was built with (3.1)."""
    found, remedy = trip(runs), ""
    if found.loaded is None:
        return Finding(found.error, False)
    with limited("make_model"):
        wild = runs.script.make_model(dropout=0.9)
    if not _varies(wild):
        seen = "Built with dropout 0.9, the model drops nothing."
        return Finding(seen, False, "Keep the dropout, and its setting.")
    noise = _varies(found.loaded)
    seen = (
        "Built without dropout, saved and loaded, the model drops out again: "
        f"two passes differ by {noise:.3f}."
    )
    rates = _highest(runs, found.model), _highest(runs, found.loaded)
    if not noise and rates[0] != rates[1]:
        seen = f"Loaded, it trains with {rates[1]:.5f} instead of {rates[0]:.5f}."
        remedy = "The dropout comes back by now; the learning rate does not."
    good = not noise and rates[0] == rates[1]
    seen = "Built without dropout, it comes back without dropout." if good else seen
    return Finding(seen, good, remedy)


def obeys_the_rate(runs: Runs) -> Finding:
    """Ask whether ``lr`` changes the learning rates that are applied (3.3)."""
    found = []
    for lr in (1e-3, 4e-3):
        with limited("make_model"):
            model = runs.script.make_model(lr=lr)
        found.append(_highest(runs, model))
    times = found[1] / found[0] if found[0] else 0.0
    seen = f"Four times the `lr` gives {times:.2f} times the learning rate."
    good, remedy = 3.9 < times < 4.1, ""
    if not good and abs(times - 1) > 0.01:
        remedy = "The rates change, but do not follow; look for a second fixed number."
    return Finding(seen, good, remedy)


def holds_nothing(runs: Runs) -> Finding:
    """Ask whether memory grows with the number of batches (7.4)."""
    run = runs.full
    after, most = run.held_after / MEGABYTE, max(run.watch.held) / MEGABYTE
    seen, remedy = f"After training, {after:.1f} MB of graphs are still held.", ""
    if after < MOST_HELD <= most:
        seen = f"During training, up to {most:.1f} MB of graphs are held."
        remedy = "It is let go too late; hold numbers, not graphs."
    return Finding(seen, max(after, most) < MOST_HELD, remedy)
