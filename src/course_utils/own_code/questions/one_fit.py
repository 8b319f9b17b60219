"""Asked of one fit of a few batches that is watched."""

from collections.abc import Iterator
from dataclasses import replace

import lightning as L
from torch import nn
from torch.nn.parameter import is_lazy

from course_utils.checks.learner_code import CannotCheck
from course_utils.checks.training_step import tensors_in
from course_utils.formatting import first_names
from course_utils.own_code.delivery import hands_out_its_own
from course_utils.own_code.questions import Saw
from course_utils.own_code.registry import question
from course_utils.own_code.subject import Subject, Watch, place_of

_NO_OPTIMIZER = "it has no optimizer."


def _in_step(subject: Subject, seen: str, remedy: str) -> Saw:
    file, line = place_of(type(subject.fitted.module), "training_step")
    return Saw(seen, remedy, file, line)


@question("6.1")
def runs_through(subject: Subject) -> Iterator[Saw]:
    """Ask whether training and validation run to the end of an epoch."""
    yield from ()
    _ = subject.fitted  # what stops it is told as the reason why nothing can be asked


@question("12.1", "error")
def returns_a_loss(subject: Subject) -> Iterator[Saw]:
    """Ask whether steps return a loss that is used."""
    fitted = subject.fitted
    skipped = fitted.watch.skipped
    if not skipped:
        raise CannotCheck("its hooks skip every batch.")
    if not fitted.watch.owned:
        raise CannotCheck(_NO_OPTIMIZER)
    if fitted.module.automatic_optimization and all(skipped):
        yield _in_step(
            subject,
            f"`training_step` returned no loss for {len(skipped)} batches: nothing is "
            "trained.",
            "Return the loss.",
        )


@question("12.5")
def leaves_the_batch(subject: Subject) -> Iterator[Saw]:
    """Ask whether steps leave their batch as it came."""
    if not tensors_in(subject.batches()):
        raise CannotCheck("no tensor is to be seen in its batches.")
    changed = subject.fitted.watch.changed
    if not any(changed):
        return
    kept = hands_out_its_own(subject.loader, len(changed))
    effect = (
        "the data set keeps the change."
        if kept
        else "callbacks and hooks that come after it see others than were delivered."
    )
    seen = f"`training_step` changed {sum(changed)} of {len(changed)} batches in place"
    found = _in_step(
        subject, f"{seen}: {effect}", "Make a new tensor, or clone it first."
    )
    yield found if kept else replace(found, severity="note")


@question("7.4")
def holds_no_graphs(subject: Subject) -> Iterator[Saw]:
    """Ask whether the module holds more and more graphs."""
    graphs = subject.fitted.watch.graphs
    rising = [after > before for before, after in zip(graphs, graphs[1:], strict=False)]
    if len(rising) < 2:
        raise CannotCheck("it takes three batches or more.")
    if all(rising):
        yield _in_step(
            subject,
            f"After {len(graphs)} batches the module holds {graphs[-1]} tensors with "
            "their graphs, more after each: memory grows.",
            "Append `value.detach()`, or log it.",
        )


def _to_train(module: L.LightningModule) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that require a gradient, without those of no elements.

    A lazy layer that nothing has called yet has none.
    """
    named = [(n, p) for n, p in module.named_parameters() if not is_lazy(p)]
    return [(n, p) for n, p in named if p.requires_grad and p.numel()]


def _saw_gradients(subject: Subject) -> Watch:
    """Return what was seen of a fit's gradients.

    Raises:
        CannotCheck: If nothing was: Lightning calls its hooks for `manual_backward`,
            and not for `loss.backward()`.
    """
    watch = subject.fitted.watch
    if not watch.touched:
        raise CannotCheck("Lightning made no backward pass, or no tensor requires one.")
    return watch


@question("6.3", "error")
def gradients_are_numbers(subject: Subject) -> Iterator[Saw]:
    """Ask whether gradients are finite."""
    infinite = _saw_gradients(subject).infinite
    if infinite:
        name, batch = infinite
        yield _in_step(
            subject,
            f"The gradient of `{name}` is not a number, or infinite, in batch {batch}.",
            "`Trainer(detect_anomaly=True)` names the operation.",
        )


def _parts(name: str) -> list[str]:
    """Return for example ``["net", "net.0", "net.0.bias"]``."""
    words = name.split(".")
    return [".".join(words[: i + 1]) for i in range(len(words))]


def _not_by_hand(watch: Watch, names: list[str]) -> list[str]:
    """Leave out weights of parts that change without any gradient, as averages do."""
    trained = {part for name in watch.touched for part in _parts(name)}
    moved = {part for name in watch.moved for part in _parts(name)} - trained
    return [name for name in names if not moved.intersection(_parts(name))]


def _cancels(watch: Watch, name: str) -> bool:
    """Return whether a bias has no effect where its weight has: in differences."""
    layer, _, last = name.rpartition(".")
    beside = {each for each in watch.reached if each.rpartition(".")[0] == layer}
    return "bias" in last and bool(beside)


@question("8.3", "note")
def gradients_arrive(subject: Subject) -> Iterator[Saw]:
    """Ask whether a gradient reaches every weight that is to be trained."""
    watch, module = _saw_gradients(subject), subject.fitted.module
    if not watch.owned:
        raise CannotCheck(_NO_OPTIMIZER)
    named = _to_train(module)
    seen = {id(p) for n, p in named if n in watch.touched}
    # The turn of an optimizer may come later; what none holds is told under 11.3.
    held = {each for own in watch.owned if own & seen for each in own}
    due = [n for n, p in named if id(p) in held]
    missed = _not_by_hand(watch, [name for name in due if name not in watch.touched])
    if missed:
        yield Saw(
            f"No gradient reaches {len(missed)} of {len(due)} tensors to train: "
            f"{first_names(missed)}.",
            "Freeze them if that is meant; else look for a `detach`, or for a layer "
            "that nothing calls.",
        )
    zero = [
        name
        for name in due
        if name in watch.touched - watch.reached and not _cancels(watch, name)
    ]
    if zero and not watch.moved:
        raise CannotCheck(
            "no weight changed in these batches: a zero may be the first."
        )
    if zero:
        yield Saw(
            f"The gradient of {len(zero)} of {len(due)} tensors to train is 0 in "
            f"each of {len(watch.changed)} batches: {first_names(zero)}.",
            "What enters them is 0 in these batches, or what follows them is saturated "
            "or masked: look at both.",
        )


@question("11.3", "note")
def weights_have_an_optimizer(subject: Subject) -> Iterator[Saw]:
    """Ask whether optimizers hold every weight that is to be trained."""
    fitted = subject.fitted
    watch = fitted.watch
    if not watch.owned:
        raise CannotCheck(_NO_OPTIMIZER)
    named = _to_train(fitted.module)
    held = {each for own in watch.owned for each in own}
    still = [n for n, p in named if id(p) not in held and n not in watch.moved]
    left = _not_by_hand(watch, still)
    if left:
        file, line = place_of(type(fitted.module), "configure_optimizers")
        yield Saw(
            f"No optimizer holds {len(left)} tensors that require a gradient: "
            f"{first_names(left)}.",
            "Hand over all of them, or freeze them.",
            file,
            line,
        )


@question("11.1")
def shapes_match(subject: Subject) -> Iterator[Saw]:
    """Ask whether a loss broadcast predictions against targets."""
    said = [
        each
        for each in subject.fitted.warned
        # A single number is a target for all on purpose.
        if "Using a target size" in each and "target size (torch.Size([]))" not in each
    ]
    if said:
        yield _in_step(
            subject,
            f"A loss compares tensors of two shapes: {said[0].split('. ')[0]}.",
            "Give both the same shape; a checked type hint would have refused it.",
        )


@question("13.2", "note")
def leaves_the_switch(subject: Subject) -> Iterator[Saw]:
    """Ask whether importing the code turned benchmark mode on."""
    import torch

    if torch.backends.cudnn.benchmark:
        yield Saw(
            "After importing the code, `torch.backends.cudnn.benchmark` is on for the "
            "whole process.",
            "Set it in the Trainer, `Trainer(benchmark=True)`, where sizes are fixed.",
        )
