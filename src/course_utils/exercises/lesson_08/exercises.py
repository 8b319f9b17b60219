"""The exercises of lesson 08, training stability."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.applied_gradients import (
    Applied,
    applied_gradients,
    losses_and_gradients,
    merged,
)
from course_utils.checks.finding import Finding
from course_utils.checks.fit import settings_by_group
from course_utils.checks.layers import has_activations, has_outputs
from course_utils.checks.sample_data import (
    in_batches,
    lesson_images,
    new_instance,
    quiet_function,
)
from course_utils.checks.weight_updates import updates
from course_utils.data import ImageDataModule
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_08.clipping import Update, clips_by_norm
from course_utils.exercises.lesson_08.early_stopping import (
    keeps_the_best,
    scripted_run,
    stops_in_time,
)
from course_utils.exercises.lesson_08.gradient_flow import gradients_flow
from course_utils.exercises.lesson_08.labels_reach_weights import labels_reach_weights
from course_utils.exercises.lesson_08.warm_up import sgd_warms_up

# 8.1 ----------------------------------------------------------------------------

# Faint images have a short gradient, those with values up to 255 a very long one.
_FACTORS = (0.02, 0.02, 1.0, 255.0, 255.0, 1.0, 255.0, 255.0, 0.02, 0.02, 1.0, 1.0)


def _batches_of_all_lengths() -> list[tuple[Tensor, Tensor]]:
    """Return a batch for each factor; in the last two, all images are the same one.

    Their gradient is longer than 1 although the images are not brighter than usual.
    """
    images, labels = lesson_images(16 * len(_FACTORS))
    images[-32:], labels[-32:] = images[-1], labels[-1]
    batches = in_batches((images, labels), 16)
    return [(f * x, y) for f, (x, y) in zip(_FACTORS, batches, strict=True)]


def _with_batches(steps: list[Applied], due: list[Tensor]) -> list[Update]:
    """Return each step beside the mean gradient of the batches since the one before."""
    found, begin = [], 0
    for step in steps:
        batches = due[begin : step.batch] or [torch.zeros_like(step.gradient)]
        mean = torch.stack(batches).mean(0)[step.own]
        found.append(Update(step.gradient[step.own], mean, step.batch - begin))
        begin = step.batch
    return found


def clips_over_two_batches(answer: Any) -> Iterator[Finding]:
    """Examine exercise 8.1: six updates of two batches, with gradients of all sizes.

    The second update has a long gradient after a usual one, the third the other way
    round, the fourth two long ones; the fifth is short, so that a gradient left over
    from the update before would show. Where several optimizers share the weights, each
    may clip its own.
    """
    module, batches = new_instance(answer), _batches_of_all_lengths()
    due = [gradient for _, gradient in losses_and_gradients(module, batches)]
    steps = applied_gradients(module, batches)
    together = [replace(each, own=torch.ones_like(each.own)) for each in merged(steps)]
    each_alone = [
        [step for step in steps if step.optimizer == one]
        for one in dict.fromkeys(step.optimizer for step in steps)
    ]

    def judged(part: list[Applied]) -> list[Finding]:
        updates = _with_batches(part, due)
        return clips_by_norm(updates, 1.0, batches=len(batches), every=2)

    alone = [finding for part in each_alone for finding in judged(part)]
    covered = steps and torch.stack([step.own for step in steps]).any(0).all()
    if not (covered and all(finding.ok for finding in alone)):
        yield from judged(together)


_8_1 = Exercise(
    practice="8.1",
    examine=clips_over_two_batches,
    hints=(
        "What is the norm of a gradient with thousands of entries up to 1? And what is "
        "clipped after the first of the two batches?",
        "Only a complete sum has the direction of both batches: clip when both "
        "backward passes are done.",
        "Inside the `if`, before the step, call "
        "nn.utils.clip_grad_norm_(self.parameters(), 1.0), and nowhere else.",
    ),
    reason=(
        "Each update uses the direction of both batches and a norm of at most 1; short "
        "gradients stay as they are."
    ),
)

# 8.2 ----------------------------------------------------------------------------

_PEAK, _SHARE, _MOMENTUM = 0.1, 0.25, 0.9


def rises_and_falls(answer: Any) -> Iterator[Finding]:
    """Examine exercise 8.2: runs of 24, 27, 8 and 60 updates.

    In the third, an epoch ends with a group of one batch, which is an update too. The
    last is long enough to tell a quarter from three tenths.
    """
    for run, epochs, batches, group in (
        ("2 epochs", 2, 12, 1),
        ("3 epochs", 3, 9, 1),
        ("4 epochs that accumulate 4 batches", 4, 5, 4),
        ("6 epochs", 6, 10, 1),
    ):
        loader = DataLoader(TensorDataset(*lesson_images(8 * batches)), batch_size=8)
        options = {"max_epochs": epochs, "accumulate_grad_batches": group}
        yield from sgd_warms_up(
            settings_by_group(new_instance(answer), loader, **options),
            peak=_PEAK,
            share=_SHARE,
            momentum=_MOMENTUM,
            run=run,
        )
    batches = in_batches(lesson_images(96), 8)
    learns = any(updates(new_instance(answer), batches).changed)
    seen = f"{'Batches' if learns else 'No batch'} changed the weights."
    yield Finding(seen, learns, "Return the loss.")


_8_2 = Exercise(
    practice="8.2",
    examine=rises_and_falls,
    hints=(
        "How often does this scheduler step, how many updates will there be, and what "
        "else does OneCycleLR change?",
        "self.trainer.estimated_stepping_batches counts the updates of the whole run, "
        "accumulation included. A bare scheduler steps once an epoch.",
        "total_steps=self.trainer.estimated_stepping_batches, cycle_momentum=False, "
        'and in the list {"scheduler": scheduler, "interval": "step"}.',
    ),
    reason=(
        "The scheduler counts the updates that the Trainer will make, steps after each "
        "of them, and leaves the momentum alone."
    ),
)

# 8.3 ----------------------------------------------------------------------------

_MATRICES = 9


def _keeps_its_layers(module: torch.nn.Module) -> Finding:
    trained = [p for p in module.parameters() if p.requires_grad]
    count = sum(param.ndim > 1 for param in trained)
    seen = f"{count} weight matrices are trained; there were {_MATRICES}."
    return Finding(seen, count >= _MATRICES, "Keep all layers, unfrozen.")


def reaches_every_layer(answer: Any) -> Iterator[Finding]:
    """Examine exercise 8.3: four batches; all nine weight matrices must be there."""
    images, labels = lesson_images(128)
    yield _keeps_its_layers(new_instance(answer))
    yield from gradients_flow(new_instance(answer), in_batches((images, labels), 32))
    others = (labels + 1) % ImageDataModule().num_classes
    yield labels_reach_weights(lambda: new_instance(answer), images, labels, others)
    yield has_activations(new_instance(answer), images, free="refine")
    yield has_outputs(new_instance(answer), images)


_8_3 = Exercise(
    practice="8.3",
    examine=reaches_every_layer,
    hints=(
        "Call backward on a loss, then look at each parameter's .grad: where is it "
        "None, where is it zero, where is it tiny?",
        "detach() cuts the graph. round() is flat everywhere but at its jumps, so its "
        "slope is zero. The slope of a sigmoid is at most a quarter.",
        "Drop .detach() and .round(), and put nn.ReLU() in place of nn.Sigmoid().",
    ),
    reason="Each parameter gets a gradient, and none has vanished on the way.",
)

# 8.4 ----------------------------------------------------------------------------

# Four checks per epoch. The high of check 10 comes within two epochs of that of check
# 2, and is hardly higher; check 11 only equals it, which is no new high. Check 12, the
# last of its epoch, is lower: weights saved after the epoch are not the best.
_DIP = (0.4, 0.45, 0.42, 0.44, 0.47, 0.49, 0.48)
_LATE_HIGH = (0.1, 0.5, *_DIP, 0.51, 0.51) + (0.45,) * 21
_RISING = tuple(0.1 + 0.03 * check for check in range(24))


def waits_two_epochs(answer: Any) -> Iterator[Finding]:
    """Examine exercise 8.4: a late high after a long dip, then only new highs."""
    make = quiet_function(answer)
    for script, batches in ((_LATE_HIGH, 2), (_RISING, 1)):
        run = scripted_run(make, "val_acc", script, 4, batches_per_check=batches)
        yield stops_in_time(run, script, patience=8, mode="max", epochs=2)
        yield keeps_the_best(run, script, mode="max")


_8_4 = Exercise(
    practice="8.4",
    examine=waits_two_epochs,
    hints=(
        "What does patience count? Is a larger val_acc better or worse? And who keeps "
        "the best weights?",
        'Two epochs are eight checks. Both callbacks take mode="min" unless you say '
        "otherwise.",
        'EarlyStopping("val_acc", patience=8, mode="max"), and '
        'ModelCheckpoint(folder, monitor="val_acc", mode="max").',
    ),
    reason="The run stops after eight checks without a new high, and the best is kept.",
)

EXERCISES = (_8_1, _8_2, _8_3, _8_4)
