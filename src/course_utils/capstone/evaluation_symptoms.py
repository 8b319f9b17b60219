"""Symptoms in the number that is reported: of what, how counted, in which mode."""

from typing import Any

import torch
from torch import Tensor

from course_utils.capstone.model_symptoms import trip
from course_utils.capstone.observed_run import limited, new_digits
from course_utils.capstone.runs import Runs, mislabelled
from course_utils.capstone.spy_callback import stacked
from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import logits_of
from course_utils.data.data_module import scaled


def _share(model: Any, batches: list[Any]) -> float:
    images, labels = stacked(batches)
    with limited("forward"):
        right = logits_of(model, images).argmax(1) == labels
    return right.float().mean().item()


def _of_other_weights(runs: Runs) -> str:
    """Return a sentence if the number is not that of the weights kept as best, or "".

    The result may hold these weights in its model. If it holds others, such as those of
    the last epoch, the number tells which were tested.
    """
    run = runs.misled
    model, kept = run.result.model, run.kept.get("state_dict", {})
    own = {name: value.clone() for name, value in model.state_dict().items()}
    both = kept.keys() & own.keys()
    if all(torch.equal(kept[name], own[name].cpu()) for name in both):
        return ""
    model.load_state_dict(kept, strict=False)
    best, given = _share(model, runs.batches["test"]), float(run.result.accuracy)
    model.load_state_dict(own)
    if abs(best - given) < 1e-5:
        return ""
    return f"It reports {given:.3f}; the weights that it ships have {best:.3f}."


def tests_once(runs: Runs) -> Finding:
    """Ask whether the reported number is that of the test set (10.1)."""
    run = runs.short
    test = _share(run.result.model, mislabelled(runs.batches["test"]))
    val = _share(run.result.model, runs.batches["val"])
    given = float(run.result.accuracy)
    if abs(given - test) >= abs(given - val):
        seen = f"With every test label wrong it still reports {given:.3f}."
        return Finding(seen, False)
    if run.test_reads > 1:
        seen = f"The test set was read {run.test_reads} times."
        return Finding(seen, False, "Read it once, when all is chosen.")
    if seen := _of_other_weights(runs):
        return Finding(seen, False, "Test what you ship; lines 14 and 15 first.")
    return Finding("The test set is read once, with the weights kept.", True)


def _odd_one_out(model: Any) -> tuple[Tensor, Tensor]:
    """Return 129 new digits; the model tells the last one wrong."""
    images, labels = scaled(new_digits()[0][:400]), new_digits()[1][:400]
    wrong = (logits_of(model, images).argmax(1) != labels).nonzero().flatten()
    chosen = torch.cat([torch.arange(128), wrong[-1:]])
    return images[chosen], labels[chosen]


def counts_images(runs: Runs) -> Finding:
    """Ask whether every image counts the same (12.4)."""
    model = trip(runs).model
    images, labels = _odd_one_out(model)
    batches = [(images[:128], labels[:128]), (images[128:], labels[128:])]
    truth = _share(model, batches)
    with limited("evaluate"):
        given = float(runs.script.evaluate(model, batches))
    seen = f"Of 129 digits {truth:.3f} are told right; `evaluate` says {given:.3f}."
    return Finding(seen, abs(given - truth) < 1e-5)


def measures_in_eval_mode(runs: Runs) -> Finding:
    """Ask whether the same model gets the same number each time (0.1)."""
    model = runs.full.result.model
    images, labels = scaled(new_digits()[0]), new_digits()[1]
    batches = list(zip(images.split(100), labels.split(100), strict=True))
    truth, given = _share(model, batches), []
    for _ in range(5):
        model.train()
        with limited("evaluate"):
            given.append(float(runs.script.evaluate(model, batches)))
    off = max(abs(each - truth) for each in given)
    seen = (
        f"Asked five times about one model, `evaluate` says {min(given):.3f} to "
        f"{max(given):.3f}."
    )
    return Finding(seen, off < 1e-5)
