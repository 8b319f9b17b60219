"""Symptoms in the training: names, rates, seed, gradient norm, files, resuming.

They look at what the optimizer applied and at what a run leaves in its folder.
"""

from course_utils.capstone.model_symptoms import round_trip
from course_utils.capstone.runs import BATCHES, Runs
from course_utils.checks.finding import Finding

MOST_EPOCHS = 5  # patience of three, one to compare with, one to spare


def metric_names_are_distinct(runs: Runs) -> Finding:
    """Check that the early stop can tell validation from training (4.2)."""
    trip = runs.once(round_trip)
    shared = sorted(trip.train_names & trip.val_names)
    epochs = runs.mislabelled_val.spy.epochs
    seen = f"With every validation label wrong it trains {epochs:.1f} of 8.0 epochs."
    late, remedy = epochs > MOST_EPOCHS, ""
    if shared and not late:
        seen = f"Training and validation both log {' and '.join(shared)}."
    if not shared and late:
        remedy = "The names are distinct; now watch the one that rises."
    return Finding(seen, not shared and not late, remedy)


def schedule_follows_updates(runs: Runs) -> Finding:
    """Check that the learning rate rises and falls, update by update (4.4)."""
    rates, remedy = runs.short.rates, ""
    distinct, updates = len(set(rates)), len(rates)
    if not rates:
        return Finding("There was no update.", False)
    top, last = max(rates), rates[-1]
    seen = f"{updates} updates had {distinct} different learning rates."
    smooth = distinct > updates / 2
    ends, warm = last < 0.2 * top, rates[0] < 0.5 * top
    if smooth and not ends:
        seen = f"The learning rate ends at {last / top:.2f} of its peak, not near 0."
        remedy = "It changes with every update now; count the updates of the whole run."
    if smooth and ends and not warm:
        seen = f"The first learning rate is {rates[0] / top:.2f} of the peak already."
        remedy = "Let it rise before it falls."
    return Finding(seen, smooth and ends and warm, remedy)


def seed_fixes_weights(runs: Runs) -> Finding:
    """Check that the seed alone decides how a run begins (5.1)."""
    one, again, other = (
        runs.early_weights(seed, state)
        for seed, state in ((runs.seed, 1), (runs.seed, 2), (runs.seed + 1, 1))
    )
    apart = (one - again).abs().mean().item()
    seen = f"Two runs with one seed begin {apart:.3f} apart in the average weight."
    remedy = ""
    if not apart:
        seen = "Two runs with one seed begin with the same weights."
        if other.equal(one):
            seen = "Two runs with different seeds are one and the same."
            remedy = "Use the seed that was given."
    return Finding(seen, not apart and not other.equal(one), remedy)


def gradient_norm_is_bounded(runs: Runs) -> Finding:
    """Check that the gradient's norm is 1 or less at each update (8.1)."""
    most = max(runs.full.norms, default=0.0)
    seen = f"The largest norm of a gradient was {most:.2f}."
    return Finding(seen, 0 < most < 1.01)


def keeps_best_and_newest(runs: Runs) -> Finding:
    """Check that the best and the newest epoch are on the disk (9.1)."""
    run = runs.short
    accuracies, losses = run.spy.accuracies, run.spy.losses
    epoch = run.checkpoint.get("epoch", -1)
    if not 0 <= epoch < len(accuracies):
        return Finding("The file that the result names is no checkpoint.", False)
    best = max(accuracies)
    # Best by accuracy or by loss: the script may choose what it monitors.
    if accuracies[epoch] != best and losses[epoch] != min(losses):
        seen = (
            f"The file with the best weights has {accuracies[epoch]:.3f} validation "
            f"accuracy; there was an epoch with {best:.3f}."
        )
        return Finding(seen, False)
    # Here the loss rises from the start, so the newest epoch is none of the best.
    stopped = runs.mislabelled_val
    missing = stopped.spy.epochs - 1 - max(stopped.epochs_on_disk)
    if missing > 0:
        seen = f"The newest file is {missing:.1f} epochs old when the run ends."
        remedy = "The best is kept; if the power fails now, the epochs since are lost."
        return Finding(seen, False, remedy)
    return Finding("The best and the newest epoch are on the disk.", True)


def resumes_exactly(runs: Runs) -> Finding:
    """Check that a resumed run continues with the rates of an unbroken one (9.2)."""
    before, after = runs.short.rates, runs.resumed.rates
    seen = (
        f"Resumed after 2.0 of 4.0 epochs, it trains {len(after) / BATCHES:.1f} more."
    )
    rest, remedy = before[2 * BATCHES :], ""
    if after != rest and len(after) == len(rest):
        seen = "Resumed, it trains the right number of epochs, at other learning rates."
        remedy = "Optimizer and schedule start over; let the Trainer restore them."
    return Finding(seen, after == rest, remedy)
