"""Does what a module says about itself stay true when the module changes?"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import lightning as L
from torch import nn
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.hardware import quiet_trainer
from course_utils.measure import AppliedRates, Operations

Change = Callable[[L.LightningModule], object]

_COMPUTE = "Compute it when it is asked for, from the thing itself."
_VIEWS = {"aten.detach", "aten.alias", "aten.view"}  # they copy nothing


def read(module: nn.Module, name: str) -> Any:
    """Return the attribute ``name``, whatever error it takes to find out.

    An ``AttributeError`` inside a property of a module looks as if the property did
    not exist. Here it comes with its own text.

    Raises:
        LearnerError: If reading raises, or gives a method that was not called.
    """
    with learners_code(f"Reading {name}"):
        found = getattr(type(module), name, None)
        value = (
            found.fget(module)
            if isinstance(found, property) and found.fget
            else getattr(module, name)
        )
    if callable(value):
        raise LearnerError(
            f"Expected {name} to be read like an attribute but it is a method; put "
            "@property above it."
        )
    return value


def _same(value: Any, truth: Any) -> bool:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return value is truth
    return truth is not None and abs(float(value) - truth) <= 1e-6 * abs(truth)


def _judge(name: str, when: str, value: Any, truth: Any) -> Finding:
    ok = _same(value, truth)
    seen = f"{when} {name} says {value!r}; it is {truth!r}."
    return Finding(seen, ok, _COMPUTE)


def stays_true(
    module: L.LightningModule,
    name: str,
    truth: Callable[[nn.Module], float],
    changes: Mapping[str, Change],
) -> Iterator[Finding]:
    """Check that an attribute agrees with a recount after each of several changes.

    Args:
        module: Is changed, by one change after the other.
        name: Its attribute, a number.
        truth: The recount.
        changes: What to do with the module, by the state that it leaves, for example
            ``"after half()"``.

    Raises:
        LearnerError: If reading or a change raises.
    """
    yield _judge(name, "At first", read(module, name), truth(module))
    for when, change in changes.items():
        with learners_code(f"A change ({when})"):
            change(module)
        yield _judge(name, when.capitalize(), read(module, name), truth(module))


def reads_cheaply(module: L.LightningModule, name: str) -> Finding:
    """Check that reading an attribute neither computes with tensors nor stores any.

    Raises:
        LearnerError: If reading raises.
    """
    before = set(vars(module))
    with Operations() as operations:
        read(module, name)
    work = sum(n for each, n in operations.counts.items() if each not in _VIEWS)
    if left := sorted(set(vars(module)) - before):
        seen = f"Reading {name} stores `{left[0]}` in the module."
        return Finding(seen, False, "What is stored goes stale; store nothing.")
    seen = f"Reading {name} makes torch compute {work} times."
    remedy = "A tensor knows numel() and element_size() without a computation."
    return Finding(seen, not work, remedy)


class _ReadsAttribute(L.Callback):
    def __init__(self, name: str) -> None:
        self.name = name
        self.values: list[Any] = []

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        self.values.append(read(pl_module, self.name))

    on_predict_start = on_train_batch_start


def tells_the_rate(
    module: L.LightningModule, loader: DataLoader[Any], name: str, epochs: int = 2
) -> Finding:
    """Check that an attribute is, before each update, the rate of that update.

    Args:
        module: Is trained.
        loader: Training batches.
        name: The attribute.
        epochs: Length of the run.

    Raises:
        LearnerError: If training or reading raises.
    """
    reader = _ReadsAttribute(name)
    with AppliedRates() as rates:
        fit(module, loader, callbacks=[reader], max_epochs=epochs)
    pairs = zip(reader.values, rates.values, strict=True)
    wrong = [i for i, pair in enumerate(pairs) if not _same(*pair)]
    if not wrong:
        return Finding(f"{name} was right at all updates.", True)
    said, rate = reader.values[wrong[0]], rates.values[wrong[0]]
    shown = f"{said:.5f}" if isinstance(said, float) else repr(said)
    seen = (
        f"{name} was wrong at {len(wrong)} of {len(rates.values)} updates: before "
        f"update {wrong[0] + 1} it said {shown}, the rate was {rate:.5f}."
    )
    return Finding(seen, False, "Read the optimizer's param_groups.")


def is_none_without_training(
    module: L.LightningModule, loader: DataLoader[Any], name: str
) -> Iterator[Finding]:
    """Check that an attribute is None without a Trainer, and while one predicts.

    Args:
        module: Was not trained.
        loader: Batches to predict.
        name: The attribute.

    Raises:
        LearnerError: If reading or predicting raises.
    """
    yield _judge(name, "Without a Trainer", read(module, name), None)
    reader = _ReadsAttribute(name)
    options = quiet_trainer(accelerator="cpu", callbacks=[reader])
    module.predict_step = lambda batch, batch_idx: module(batch[0])
    with learners_code("Predicting"):
        L.Trainer(**options).predict(module, loader)
    yield _judge(name, "In a Trainer that only predicts", reader.values[0], None)
