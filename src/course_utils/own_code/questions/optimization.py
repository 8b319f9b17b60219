"""Asked of several short fits: who steps, by which schedule, from which seed."""

from collections.abc import Iterator

import lightning as L
import torch

from course_utils.checks.learner_code import CannotCheck
from course_utils.measure import OptimizerSteps, flat_weights
from course_utils.own_code.questions import Saw
from course_utils.own_code.registry import question
from course_utils.own_code.subject import Subject, place_of


@question("1.1")
def obeys_the_trainer(subject: Subject) -> Iterator[Saw]:
    """Ask whether accumulated batches make fewer updates."""
    fitted = subject.fitted
    batches = len(subject.train)
    if not fitted.module.automatic_optimization:
        raise CannotCheck("it optimizes by hand, and says so.")
    if fitted.steps != batches or batches % 2:
        raise CannotCheck(f"{batches} batches made {fitted.steps} updates.")
    module = subject.new()  # which may train another one while it is built
    with OptimizerSteps() as steps:
        subject.fit(module, accumulate_grad_batches=2)
    if steps.count == batches:
        file, line = place_of(type(fitted.module), "training_step")
        yield Saw(
            f"`accumulate_grad_batches=2` changes nothing: {batches} batches make "
            f"{steps.count} updates.",
            "Return the loss, and leave the step to the Trainer.",
            file,
            line,
        )


def _total_steps(subject: Subject, epochs: int) -> list[tuple[str, int]]:
    trainer = subject.fit(
        subject.new(), max_epochs=epochs, max_steps=-1, limit_val_batches=1
    )
    return [
        (each.interval, int(getattr(each.scheduler, "total_steps", 0) or 0))
        for each in trainer.lr_scheduler_configs
    ]


@question("4.4", "error")
def schedule_is_stepped(subject: Subject) -> Iterator[Saw]:
    """Ask whether a schedule made for all updates is stepped at each of them."""
    first = _total_steps(subject, 1)
    if not any(total for _, total in first):
        raise CannotCheck("it has no schedule with `total_steps`.")
    second = _total_steps(subject, 2)
    updates = len(subject.train)
    for (interval, one), (_, two) in zip(first, second, strict=True):
        # Twice the epochs, twice as many steps, and as many as there are updates.
        by_update = one == updates and two == 2 * updates and updates > 2
        if interval == "epoch" and by_update:
            file, line = place_of(type(subject.new()), "configure_optimizers")
            yield Saw(
                f"The schedule is made for {one} updates in an epoch, and is stepped "
                "once.",
                'Return `{"scheduler": ..., "interval": "step"}`.',
                file,
                line,
            )


def _weights_after(subject: Subject) -> torch.Tensor:
    module: L.LightningModule = subject.new(seed=1)
    subject.fit(module, seed=2)
    return flat_weights(module)


@question("5.1")
def seed_decides(subject: Subject) -> Iterator[Saw]:
    """Ask whether two runs with one seed end with the same bits."""
    one, two = _weights_after(subject), _weights_after(subject)
    if one.shape != two.shape or not torch.equal(one.nan_to_num(), two.nan_to_num()):
        yield Saw(
            "Two runs on the same batches, with all generators seeded alike, end with "
            "different weights.",
            "Look for a generator without a seed, such as `np.random.default_rng()`, "
            "or for an operation that is not deterministic.",
        )
