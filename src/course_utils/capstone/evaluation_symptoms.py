"""Symptoms in the reported number: of which images, counted how, in which mode.

They compare what ``train`` and ``evaluate`` return with the same number computed here.
"""

from typing import Any

import torch
from torch import Tensor

from course_utils.capstone.model_symptoms import round_trip
from course_utils.capstone.observed_run import time_limited, unseen_digits
from course_utils.capstone.runs import Runs, mislabelled
from course_utils.capstone.spy_callback import share_correct, stacked
from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import logits_of
from course_utils.data import scaled
from course_utils.measure import evaluation_mode


def _accuracy(model: Any, batches: list[Any]) -> float:
    images, labels = stacked(batches)
    with time_limited("forward"):
        return share_correct(logits_of(model, images), labels)


def _reports_other_weights(runs: Runs) -> str:
    """Return a sentence if the number is not that of the weights kept as best, or "".

    The result may hold these weights in its model. If it holds others, such as those of
    the last epoch, the number tells which were tested.
    """
    run = runs.mislabelled_val
    model, kept = run.result.model, run.checkpoint.get("state_dict", {})
    own = {name: value.clone() for name, value in model.state_dict().items()}
    both = kept.keys() & own.keys()
    if all(torch.equal(kept[name], own[name].cpu()) for name in both):
        return ""
    model.load_state_dict(kept, strict=False)
    best, given = _accuracy(model, runs.batches["test"]), float(run.result.accuracy)
    model.load_state_dict(own)
    if abs(best - given) < 1e-5:
        return ""
    return f"It reports {given:.3f}; the weights that it ships have {best:.3f}."


def reports_test_accuracy(runs: Runs) -> Finding:
    """Check that the reported number is that of the test set (10.1)."""
    run = runs.short
    test = _accuracy(run.result.model, mislabelled(runs.batches["test"]))
    val = _accuracy(run.result.model, runs.batches["val"])
    given = float(run.result.accuracy)
    # Closer, not equal: the other symptoms of this round change the number a little.
    if abs(given - test) >= abs(given - val):
        seen = f"With every test label wrong it still reports {given:.3f}."
        return Finding(seen, False)
    if run.test_reads > 1:
        seen = f"The test set was read {run.test_reads} times."
        return Finding(seen, False, "Read it once, when all is chosen.")
    if seen := _reports_other_weights(runs):
        return Finding(seen, False, "Test what you ship; lines 14 and 15 first.")
    return Finding("The test set is read once, with the weights kept.", True)


def _odd_one_out(model: Any) -> tuple[Tensor, Tensor]:
    """Return 129 unseen digits; the model is wrong about the last one."""
    images, labels = (each[:400] for each in unseen_digits())
    images = scaled(images)
    wrong = (logits_of(model, images).argmax(1) != labels).nonzero().flatten()
    chosen = torch.cat([torch.arange(128), wrong[-1:]])
    return images[chosen], labels[chosen]


def weights_images_equally(runs: Runs) -> Finding:
    """Check that every image counts the same, also in a smaller last batch (12.4)."""
    model = runs.once(round_trip).model
    images, labels = _odd_one_out(model)
    batches = list(zip(images.split(128), labels.split(128), strict=True))
    truth = _accuracy(model, batches)
    with time_limited("evaluate"):
        given = float(runs.script.evaluate(model, batches))
    seen = f"Of 129 digits {truth:.3f} are told right; `evaluate` says {given:.3f}."
    return Finding(seen, abs(given - truth) < 1e-5)


def evaluates_in_eval_mode(runs: Runs) -> Finding:
    """Check that a model in training mode gets the same number each time (0.1)."""
    model = runs.full.result.model
    images, labels = unseen_digits()
    batches = list(zip(scaled(images).split(100), labels.split(100), strict=True))
    truth, given = _accuracy(model, batches), []
    with evaluation_mode(model):  # puts the mode of each part back at the end
        for _ in range(5):
            model.train()  # as `fit` leaves it
            with time_limited("evaluate"):
                given.append(float(runs.script.evaluate(model, batches)))
    off = max(abs(each - truth) for each in given)
    seen = (
        f"Asked five times about one model, `evaluate` says {min(given):.3f} to "
        f"{max(given):.3f}."
    )
    return Finding(seen, off < 1e-5)
