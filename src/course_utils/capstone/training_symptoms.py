"""Symptoms in the training: names, rates, seed, gradient, files, resuming.

They look at what the optimizer applied and at what a run leaves in its folder.
"""

import torch

from course_utils.capstone.model_symptoms import round_trip
from course_utils.capstone.observed_run import Run
from course_utils.capstone.runs import Runs
from course_utils.checks.finding import Finding
from course_utils.formatting import number

PATIENCE = 3
MOST_NORM, LEAST_COSINE = 1.01, 0.999


def metric_names_are_distinct(runs: Runs) -> Finding:
    """Check that the early stop can tell validation from training (4.2)."""
    trip, run = runs.once(round_trip), runs.mislabelled_val
    shared = sorted(trip.train_names & trip.val_names)
    losses, last = run.spy.losses, run.spy.epochs - 1
    # Several epochs may count as the lowest: the script may average a little otherwise.
    lowest = [i for i, loss in enumerate(losses) if loss <= 1.01 * min(losses)]
    waited = {last - epoch for epoch in lowest}
    seen = "We made all validation labels wrong: "
    if min(waited) > PATIENCE:
        after = f"all {last + 1}" if last == 7 else f"{last + 1}"
        return Finding(
            f"{seen}early stopping should have ended the run, but it trained {after} "
            "epochs.",
            False,
        )
    if last < 7 and PATIENCE not in waited:
        return Finding(
            f"{seen}the run should have ended three epochs after the lowest validation "
            f"loss, but it ended after {max(waited)}.",
            False,
        )
    if shared:
        return Finding(
            "We compared the names that training and validation log: none should be in "
            f"both, but {' and '.join(shared)} is.",
            False,
        )
    return Finding(
        f"{seen}early stopping ended the run after {last + 1} of 8 epochs.", True
    )


def schedule_follows_updates(runs: Runs) -> Finding:
    """Check that the learning rate rises and falls, update by update (4.4)."""
    rates = runs.short.rates
    if not rates:
        return Finding(
            "We recorded the learning rate of each update: there was no update.", False
        )
    updates, peak, last = len(rates), max(rates), rates[-1]
    epoch = updates // 4
    seen = f"We recorded the learning rate of {updates} updates: "
    if len(set(rates[:epoch])) == 1 or len(set(rates[-epoch:])) == 1:
        return Finding(
            f"{seen}it should rise and fall from update to update, but it had only "
            f"{len(set(rates))} different values.",
            False,
        )
    if last >= 0.2 * peak:
        return Finding(
            f"{seen}it should fall towards 0 until the end, but it ended at "
            f"{last / peak:.2f} of its peak.",
            False,
        )
    if rates[0] >= 0.5 * peak:
        return Finding(
            f"{seen}it should rise first, but it began at {rates[0] / peak:.2f} of its "
            "peak.",
            False,
        )
    if rates.index(peak) > updates / 2:
        return Finding(
            f"{seen}it should peak early, but it peaked at update "
            f"{rates.index(peak) + 1}.",
            False,
        )
    return Finding(f"{seen}it rises, and falls to {last / peak:.2f} of its peak.", True)


def seed_fixes_weights(runs: Runs) -> Finding:
    """Check that the seed alone decides how a run begins (5.1)."""
    (start, weights), (start_again, weights_again), (start_other, _) = (
        runs.early_weights(seed, state)
        for seed, state in ((runs.seed, 1), (runs.seed, 2), (runs.seed + 1, 1))
    )
    seen = "We ran the script twice with the same seed: "
    if apart := (start - start_again).abs().mean().item():
        return Finding(
            f"{seen}both runs should start from the same weights, but these differ by "
            f"{apart:.3f} on average.",
            False,
        )
    if apart := (weights - weights_again).abs().mean().item():
        return Finding(
            f"{seen}both runs start from the same weights, but these should still be "
            f"the same three updates later, and differ by {apart:.5f} on average.",
            False,
        )
    if start.equal(start_other):
        return Finding(
            "We ran the script with two different seeds: the first weights should "
            "differ, but they are the same.",
            False,
        )
    return Finding(
        f"{seen}both runs had the same weights; with another seed, they differed.",
        True,
    )


def gradient_norm_is_bounded(runs: Runs) -> Finding:
    """Check that the gradient is shortened to a norm of 1 at most, not turned (8.1)."""
    observed = (runs.full, runs.short)
    most = max((norm for run in observed for norm in run.norms), default=0.0)
    least = min((kept for run in observed for kept in run.directions), default=1.0)
    seen = "We measured the gradient at each update: "
    if not most:
        return Finding(f"{seen}no update had one.", False)
    if most >= MOST_NORM:
        return Finding(
            f"{seen}its norm should be 1 or less, but it reached {most:.2f}.", False
        )
    if least < LEAST_COSINE:
        turned = torch.tensor(least).acos().rad2deg().item()
        return Finding(
            f"{seen}its norm was at most {most:.2f}, but its direction should stay "
            f"that of the loss's gradient, and was up to {turned:.1f} degrees off.",
            False,
        )
    return Finding(
        f"{seen}its norm was at most {most:.2f}, and its direction that of the loss's "
        "gradient.",
        True,
    )


def _not_the_best(run: Run) -> str:
    """Return what the best epoch has and the named file has not, "" if it has it."""
    accuracies, losses = run.spy.accuracies, run.spy.losses
    epoch = run.checkpoint.get("epoch", -1)
    if not 0 <= epoch < len(accuracies):
        return (
            "We opened the file that the result names: it should be a checkpoint of "
            "one of the epochs, but it is not."
        )
    best = max(accuracies)
    # Best by accuracy or by loss: the script may choose what it monitors.
    if accuracies[epoch] == best or losses[epoch] == min(losses):
        return ""
    return (
        "We measured the validation accuracy after each epoch: the file that the "
        f"result names should hold the best epoch ({best:.3f}), but it holds one with "
        f"{accuracies[epoch]:.3f}."
    )


def keeps_best_and_newest(runs: Runs) -> Finding:
    """Check that the best and the newest epoch are on the disk (9.1)."""
    # The best epoch is a late one, and with wrong validation labels the first.
    stopped = runs.mislabelled_val
    if seen := _not_the_best(runs.short):
        return Finding(seen, False)
    if seen := _not_the_best(stopped):
        return Finding(f"We made all validation labels wrong. {seen}", False)
    if stopped.checkpoint["epoch"] not in stopped.epochs_on_disk:
        return Finding(
            "We looked into the folder that `train` was given: it should hold the file "
            "that the result names, but does not.",
            False,
        )
    at_end = stopped.spy.epochs - 1 - max(stopped.epochs_on_disk)
    behind = max([at_end, *stopped.spy.epochs_behind])
    seen = "We looked into the folder after each epoch: "
    if behind > 0:
        return Finding(
            f"{seen}a checkpoint of that epoch should be there, but at one time the "
            f"newest was {behind} epoch{'s' * (behind > 1)} behind.",
            False,
        )
    return Finding(f"{seen}the best and the newest checkpoint were there.", True)


def resumes_exactly(runs: Runs) -> Finding:
    """Check that a resumed run continues where the unbroken one was (9.2)."""
    whole, resumed = runs.short, runs.resumed
    half = len(whole.rates) // 2
    rest, rates = whole.rates[half:], resumed.rates
    seen = "We resumed a run of 4 epochs from its checkpoint of epoch 2: "
    if len(rates) != len(rest):
        return Finding(
            f"{seen}it should train 2 more epochs, but it trained "
            f"{number(4 * len(rates) / len(whole.rates))}.",
            False,
        )
    seen += "it trained 2 more epochs, "
    if rates != rest:
        return Finding(
            f"{seen}but not at the learning rates of the unbroken run.", False
        )
    (weights, state), start = whole.spy.saved_state, resumed.spy.start
    if not start.equal(weights):
        return Finding(f"{seen}but did not start from the saved weights.", False)
    found = resumed.spy.moments
    same = len(found) == len(state) and all(map(torch.equal, found, state))
    if not same:
        return Finding(
            f"{seen}but the optimizer did not start from its saved state.", False
        )
    return Finding(f"{seen}from the saved weights, at the rates that were due.", True)
