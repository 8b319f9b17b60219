"""Symptoms in the reported number: of which images, counted how, in which mode.

They compare what ``train`` and ``evaluate`` return with the same number computed here.
"""

import copy
from typing import Any

import torch
from torch import Tensor

from course_utils.capstone.data_symptoms import overlaps
from course_utils.capstone.model_symptoms import round_trip
from course_utils.capstone.observed_run import time_limited, unseen_digits
from course_utils.capstone.runs import CountedImages, Runs, mislabelled
from course_utils.capstone.spy_callback import stacked
from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import logits_of, share_correct
from course_utils.data import scaled
from course_utils.measure import evaluation_mode

CLOSE = 1e-5


def _weights_not_shipped(runs: Runs) -> str:
    """Return a sentence if the number is not that of the weights kept as best, or "".

    The result may hold these weights in its model. If it holds others, such as those of
    the last epoch, the number tells which were tested.
    """
    run = runs.mislabelled_val
    model, (images, labels) = run.result.model, stacked(runs.batches["test"])
    # Copied deeply: a state may hold any values, not tensors only.
    own = copy.deepcopy(model.state_dict())
    kept = copy.deepcopy(run.checkpoint.get("state_dict", {}))
    returned = logits_of(model, images)
    model.load_state_dict(kept, strict=False)
    shipped = [logits_of(model, images)]
    model.load_state_dict(own)
    if run.shipped is not None:
        shipped.append(logits_of(run.shipped, images))
    given = float(run.result.accuracy)
    accuracies = [share_correct(logits, labels) for logits in shipped]
    if any(torch.equal(logits, returned) for logits in shipped) or any(
        abs(accuracy - given) < CLOSE for accuracy in accuracies
    ):
        return ""
    return (
        "We tested the weights in the file that the result names: the reported "
        f"accuracy should be theirs, {accuracies[0]:.3f}, but it is {given:.3f}."
    )


def _test_set_used_earlier(runs: Runs) -> str:
    """Return a sentence if the test images had a part in the training, or ""."""
    found, run = runs.once(overlaps), runs.short
    for share, of in (
        (found.test_in_train, "training"),
        (found.test_in_val, "validation"),
    ):
        if share:
            return (
                f"We compared the test images with the {of} images: they should have "
                f"none in common, but {100 * share:.1f} % of the test images are "
                f"{of} images."
            )
    if run.test_read_after is not None and run.test_read_after < run.spy.batches:
        return (
            "We counted how often the test set was read: it should be read once, after "
            f"training, but was read when {run.test_read_after} of {run.spy.batches} "
            "batches had been trained on."
        )
    if run.test_reads > 1.5:
        return (
            "We counted how often the test set was read: it should be read once, but "
            f"was read {run.test_reads:.0f} times."
        )
    given = len(found.test_digests & runs.full.spy.seen) / len(found.test_digests)
    if given:
        return (
            "We watched what the model was given during training: it should not "
            f"include test images, but it included {100 * given:.1f} % of them."
        )
    return ""


def reports_test_accuracy(runs: Runs) -> Finding:
    """Check that the reported number is that of the test set, read once (10.1)."""
    run = runs.short
    images, labels = stacked(runs.batches["test"])
    test = share_correct(logits_of(run.result.model, images), mislabelled(labels))
    images, labels = stacked(runs.batches["val"])
    val = share_correct(logits_of(run.result.model, images), labels)
    given = float(run.result.accuracy)
    # Closer, not equal: the other symptoms of this round change the number a little.
    if abs(given - test) >= abs(given - val):
        return Finding(
            "We made all labels that `test_dataloader` delivers wrong: the reported "
            f"accuracy should fall to about {test:.3f}, but it was {given:.3f}.",
            False,
        )
    if seen := _test_set_used_earlier(runs) or _weights_not_shipped(runs):
        return Finding(seen, False)
    return Finding(
        "We counted how often the test set was read: once, after training, with the "
        "weights in the file; none of its images had been used before.",
        True,
    )


def _odd_one_out(model: Any, size: int) -> tuple[Tensor, Tensor]:
    """Return ``size`` unseen digits and another one, about which the model is wrong."""
    images, labels = (each[:400] for each in unseen_digits())
    images = scaled(images)
    wrong = (logits_of(model, images).argmax(1) != labels).nonzero().flatten()
    chosen = torch.cat([torch.arange(size), wrong[-1:]])
    return images[chosen], labels[chosen]


def weights_images_equally(runs: Runs) -> Finding:
    """Check that every image counts the same, also in a smaller last batch (12.4)."""
    model = runs.once(round_trip).model
    for size in (64, 128):  # two, so that no fixed number of images is right
        images, labels = _odd_one_out(model, size)
        right = int((logits_of(model, images).argmax(1) == labels).sum())
        with time_limited("evaluate"):
            loader = runs.serve(CountedImages(images, labels), size)
            given = float(runs.script.evaluate(model, loader))
        truth = right / (size + 1)
        seen = (
            f"We gave `evaluate` a batch of {size} images and one of a single image: "
        )
        if abs(given - truth) > CLOSE:
            return Finding(
                f"{seen}it should return the share that is classified correctly, "
                f"{truth:.3f}, but returned {given:.3f}.",
                False,
            )
    return Finding(
        f"{seen}it returned the share that is classified correctly, {truth:.3f}.", True
    )


def evaluates_in_eval_mode(runs: Runs) -> Finding:
    """Check that a model in training mode gets the same number each time (0.1)."""
    model = runs.full.result.model
    images, labels = scaled(unseen_digits()[0]), unseen_digits()[1]
    truth, given = share_correct(logits_of(model, images), labels), []
    with evaluation_mode(model):  # puts the mode of each part back at the end
        for _ in range(5):
            model.train()  # as `fit` leaves it
            with time_limited("evaluate"):
                loader = runs.serve(CountedImages(images, labels), 100)
                given.append(float(runs.script.evaluate(model, loader)))
    seen = "We left a model in training mode and called `evaluate` five times: "
    if max(abs(each - truth) for each in given) > CLOSE:
        return Finding(
            f"{seen}it should return {truth:.3f} each time, the accuracy in evaluation "
            f"mode, but returned {min(given):.3f} to {max(given):.3f}.",
            False,
        )
    return Finding(f"{seen}it returned {truth:.3f} each time.", True)
