"""Does what a module says about itself stay true when the module changes?"""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from tempfile import TemporaryDirectory
from typing import Any

import lightning as L
from lightning.pytorch.tuner import Tuner
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.hardware import quiet_trainer
from course_utils.measure import AppliedRates

Change = Callable[[L.LightningModule], object]


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


def _judge(name: str, when: str, value: Any, truth: Any, rule: str) -> Finding:
    ok = _same(value, truth)
    return Finding(f"{when} {name} says {value!r}; it is {truth!r}.", ok, rule)


def stays_true(
    module: L.LightningModule,
    name: str,
    truth: Callable[[nn.Module], float],
    changes: Mapping[str, Change],
    *,
    rule: str,
) -> Iterator[Finding]:
    """Check that an attribute agrees with a recount after each of several changes.

    Args:
        module: Is changed, by one change after the other.
        name: Its attribute, a number.
        truth: The recount.
        changes: What to do with the module, by the state that it leaves, for example
            ``"after half()"``.
        rule: What the number is to be, as a sentence.

    Raises:
        LearnerError: If reading or a change raises.
    """
    yield _judge(name, "At first", read(module, name), truth(module), rule)
    for when, change in changes.items():
        with learners_code(f"A change ({when})"):
            change(module)
        yield _judge(name, when.capitalize(), read(module, name), truth(module), rule)


def _memory(values: Any) -> set[int]:
    tensors = (each for each in tree_leaves(values) if isinstance(each, Tensor))
    return {each.untyped_storage().data_ptr() for each in tensors}


class _Copies(TorchDispatchMode):
    """Count operations on parameters and buffers that put results into new memory."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.count = 0
        self.known = _memory([*module.parameters(), *module.buffers()])

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        old, new = map(_memory, (args, result))
        self.count += bool(old & self.known) and not new <= self.known
        return result


def reads_cheaply(module: L.LightningModule, name: str) -> Finding:
    """Check that reading an attribute neither copies weights nor stores anything.

    Raises:
        LearnerError: If reading raises.
    """
    before = set(vars(module))
    with _Copies(module) as copies:
        read(module, name)
    if left := sorted(set(vars(module)) - before):
        seen = f"Reading {name} stores `{left[0]}` in the module."
        return Finding(seen, False, "What is stored goes stale; store nothing.")
    seen = f"Reading {name} copies {copies.count} tensors of weights."
    remedy = "A tensor knows numel() and element_size() without a copy."
    return Finding(seen, not copies.count, remedy)


class _ReadsAttribute(L.Callback):
    """Read an attribute, and note how many updates there were before."""

    def __init__(self, name: str, rates: AppliedRates | None = None) -> None:
        self.name = name
        self.rates = rates or AppliedRates()
        self.values: list[tuple[int, Any]] = []

    def _read(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        self.values.append((len(self.rates.values), read(pl_module, self.name)))

    on_train_batch_start = on_predict_start = _read


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
    with AppliedRates() as applied:
        reader = _ReadsAttribute(name, applied)
        fit(module, loader, callbacks=[reader], max_epochs=epochs)
    rates = applied.values
    told = [(i, value) for i, value in reader.values if i < len(rates)]
    wrong = [(i, value) for i, value in told if not _same(value, rates[i])]
    if not wrong:
        return Finding(f"{name} was right at all updates.", True)
    first, said = wrong[0]
    rate = rates[first]
    shown = f"{said:.5f}" if isinstance(said, float) else repr(said)
    seen = (
        f"{name} was wrong at {len(wrong)} of {len(told)} updates: before "
        f"update {first + 1} it said {shown}, the rate was {rate:.5f}."
    )
    return Finding(seen, False, "It should be the next update's rate, at any time.")


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
    rule = "It should be None where there is no optimizer."
    yield _judge(name, "Without a Trainer", read(module, name), None, rule)
    reader = _ReadsAttribute(name)
    options = quiet_trainer(accelerator="cpu", callbacks=[reader])
    module.predict_step = lambda batch, batch_idx: module(batch[0])
    with learners_code("Predicting"):
        L.Trainer(**options).predict(module, loader)
    when, (_, value) = "In a Trainer that only predicts", reader.values[0]
    yield _judge(name, when, value, None, rule)


def lets_lr_find_assign(
    module: L.LightningModule, loader: DataLoader[Any], steps: int = 20
) -> Finding:
    """Check that the learning-rate finder can store what it found.

    It assigns to ``lr`` or ``learning_rate``, of the module if that has one, otherwise
    of its ``hparams``. What else it may dislike, such as several optimizers, is not
    judged.

    Args:
        module: Was not trained.
        loader: Training batches.
        steps: Rates to try.
    """
    error = ""
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        options = quiet_trainer(
            accelerator="cpu", max_epochs=steps, default_root_dir=folder
        )
        try:
            with learners_code("lr_find"):
                Tuner(L.Trainer(**options)).lr_find(module, loader, num_training=steps)
        except LearnerError as raised:
            if isinstance(raised.__cause__, AttributeError):
                error = str(raised)
    seen = f"The learning-rate finder cannot store its result. {error}"
    remedy = "Leave the name learning_rate to the setting in hparams."
    return Finding(seen, not error, remedy)
