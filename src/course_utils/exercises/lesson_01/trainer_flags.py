"""Does a module obey the flags of a real Trainer?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from course_utils.checks.applied_gradients import (
    gradient_of,
    trained_weights,
    used_gradient,
)
from course_utils.checks.finding import Finding
from course_utils.checks.fit import Setting, applied_settings, fit
from course_utils.checks.learner_code import has_forward, learners_code
from course_utils.checks.several_processes import in_processes
from course_utils.measure import OptimizerRecorder, UpdateLog

Build = Callable[[], L.LightningModule]

_LEAVE_IT = (
    "Return the loss, return the optimizer from configure_optimizers, and leave "
    "zero_grad, backward and step to the Trainer."
)
_NO_UPDATE = (
    "Return the loss from training_step and the optimizer from configure_optimizers."
)
_LEAVE_GRADIENTS = (
    "Scaling, clearing and clipping gradients is the Trainer's work: return the loss "
    "of the batch as it is."
)


@dataclass(frozen=True)
class GradientUse:
    """What one update used.

    Attributes:
        applied: The gradient that the optimizer used, as one vector; 0 for weights that
            it does not have.
        batches: The gradient of each batch since the update before, as the Trainer
            computes it: divided by ``accumulate_grad_batches``, not clipped.
        settings: Of each parameter group.
    """

    applied: Tensor
    batches: list[Tensor]
    settings: list[Setting]


class GradientLog(UpdateLog):
    """Record each update's gradient beside those of its batches.

    A batch's gradient is taken from the graph of the very loss that the Trainer is
    about to run backward through, so dropout and augmentation make no difference.

    Attributes:
        uses: What each update used.
        first: The first batch.
    """

    def __init__(self, module: L.LightningModule) -> None:
        """Prepare to record the training of ``module``."""
        super().__init__()
        self._module = module
        self._waiting: list[Tensor] = []
        self._applied = OptimizerRecorder(self._read)
        self.uses: list[GradientUse] = self._applied.values
        self.first: Any = None

    def _read(self, optimizer: Optimizer) -> GradientUse | None:
        used = used_gradient(optimizer, trained_weights(self._module))
        if used is None:
            return None  # no gradient, no update
        batches, self._waiting = self._waiting, []
        settings = [setting for _, setting in applied_settings(optimizer)]
        return GradientUse(used[0], batches, settings)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        """Keep the first batch."""
        if self.first is None:
            self.first = args[0]

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """Record the gradient of a batch."""
        self._waiting.append(gradient_of(loss, trained_weights(pl_module)))


def logged_fit(build: Build, batches: Any, **flags: Any) -> GradientLog:
    """Train a fresh module for one epoch under ``flags`` and return its updates.

    Args:
        build: Makes the module.
        batches: Ready-made batches in the form that ``training_step`` expects, or a
            loader.
        **flags: What is asked of the Trainer, ``accumulate_grad_batches=4`` for
            example.

    Raises:
        LearnerError: If training raises.
    """
    module = build()
    log = GradientLog(module)
    with log._applied:
        fit(module, batches, callbacks=[log], **flags)
    return log


def _wanted(batches: int, every: int) -> list[bool]:
    """Return after which batches Lightning updates: every n-th, and the last."""
    return [(i + 1) % every == 0 or i + 1 == batches for i in range(batches)]


def _equal(one: Tensor, other: Tensor) -> bool:
    return (one - other).norm().item() <= 1e-3 * other.norm().item()


def _misuse(use: GradientUse, norm: float | None = None) -> str:
    """Return how an update's gradient differs from the Trainer's, ``""`` if not.

    Args:
        use: An update.
        norm: Value of ``gradient_clip_val``, None without one.
    """
    if not use.batches:
        return "the Trainer ran no backward pass"
    expected = torch.stack(use.batches).sum(0)
    length, count = expected.norm().item(), len(use.batches)
    clipped = length if norm is None else min(length, norm)
    if length:
        expected = expected * (clipped / length)
    if _equal(use.applied, expected):
        return ""
    used = use.applied.norm().item()
    if count > 1 and _equal(use.applied, use.batches[-1]):
        return f"an update uses the last of its {count} batches alone"
    if used and _equal(use.applied * (clipped / used), expected):
        return f"an update's gradient has norm {used:.3g} instead of {clipped:.3g}"
    return "an update's gradient is not that of its batches"


def _first_misuse(log: GradientLog, norm: float | None = None) -> str:
    return next(filter(None, (_misuse(use, norm) for use in log.uses)), "")


def obeys_accumulation(build: Build, batches: Sequence[Any], every: int = 4) -> Finding:
    """Check whether each ``every`` batches make one update, with their mean gradient.

    Args:
        build: Makes a module with one optimizer.
        batches: Ready-made batches; after the last one there is an update, too.
        every: Value of ``accumulate_grad_batches``; 1 asks for an update per batch.

    Raises:
        LearnerError: If training raises.
    """
    flag = f"With accumulate_grad_batches={every}"
    asked = f"updates every {every} batches"
    log = logged_fit(build, batches, accumulate_grad_batches=every)
    wanted, made = _wanted(len(batches), every), len(log.norms)
    seen = (
        f"{flag} the optimizer made {made} updates in {len(batches)} batches; the "
        f"Trainer asked for {sum(wanted)}."
    )
    if made != sum(wanted) or log.changed != wanted:
        if made == sum(wanted):
            seen = (
                f"{flag} the weights change at other batches than the Trainer asked "
                "for."
            )
        remedy = _LEAVE_IT if made or any(log.changed) else _NO_UPDATE
        return Finding(seen, False, remedy, asked=asked)
    # A module that runs backward itself is left to the checks of clipping.
    wrong = any(use.batches for use in log.uses) and _first_misuse(log)
    if wrong:
        return Finding(f"{flag} {wrong}.", False, _LEAVE_GRADIENTS, asked=asked)
    return Finding(seen, True, asked=asked)


def obeys_clipping(build: Build, batches: Sequence[Any], norm: float = 0.05) -> Finding:
    """Check whether updates use gradients clipped to ``gradient_clip_val``, no shorter.

    Args:
        build: Makes a module.
        batches: Ready-made batches with gradients longer than ``norm``.
        norm: Value of ``gradient_clip_val``, well below the usual norm.

    Returns:
        A finding; undecided if the gradients are short without the flag.

    Raises:
        LearnerError: If training raises.
    """
    asked, flag = (
        f"gradient norm under gradient_clip_val={norm}",
        f"With gradient_clip_val={norm}",
    )
    log = logged_fit(build, batches, gradient_clip_val=norm)
    if not log.norms:
        return Finding("The optimizer made no update.", False, _NO_UPDATE, asked=asked)
    largest = max(log.norms)
    seen = f"{flag} the largest gradient norm is {largest:.3f}."
    if largest > norm * 1.001:  # rounding
        return Finding(seen, False, _LEAVE_IT, asked=asked)
    if wrong := _first_misuse(log, norm):
        return Finding(f"{flag} {wrong}.", False, _LEAVE_GRADIENTS, asked=asked)
    if all(sum(use.batches).norm() <= norm for use in log.uses):
        seen, remedy = "No gradient is longer.", f"Ask again with a norm below {norm}."
        return Finding(seen, None, remedy, asked=asked)
    return Finding(seen, True, asked=asked)


def clips_as_told(build: Build, batches: Sequence[Any]) -> Iterator[Finding]:
    """Check clipping without a limit, and with two that the first gradient exceeds.

    The limits follow from that gradient, so that every module's answer is decided.

    Args:
        build: Makes equal modules.
        batches: Ready-made batches whose gradients are long.
    """
    log = logged_fit(build, batches)
    if not log.norms:
        yield Finding("The optimizer made no update.", False, _NO_UPDATE)
        return
    wrong = log.uses[0].batches and _first_misuse(log)
    yield Finding(f"Without gradient_clip_val {wrong}.", not wrong, _LEAVE_GRADIENTS)
    for share in (0.01, 0.5):
        yield obeys_clipping(build, batches, float(f"{share * log.norms[0]:.2g}"))


def _loss_factor(build: Build, log: GradientLog, every: int) -> float:
    """Return how many times its gradient the first batch's mean cross-entropy has.

    Returns 1 for another loss, or one that dropout makes random: their gradients point
    elsewhere.
    """
    module = build()
    if not (log.uses and log.uses[0].batches and has_forward(module)):
        return 1.0
    images, labels = log.first
    with learners_code("forward"), torch.enable_grad():
        loss = F.cross_entropy(module(images), labels)
        expected = gradient_of(loss, trained_weights(module))
    found = every * log.uses[0].batches[0]
    factor = (found @ expected / (expected @ expected)).item()
    return factor if factor > 0 and _equal(found, factor * expected) else 1.0


def _whole_loss(factor: float, when: str) -> Finding:
    seen = (
        f"With {when} the loss has {factor:.3g} times the gradient of the batch's mean "
        "cross-entropy."
    )
    return Finding(seen, abs(factor - 1) < 1e-3, _LEAVE_GRADIENTS)


def returns_the_whole_loss(build: Build, batches: Any, every: int) -> Finding:
    """Check whether the loss is not a multiple of the batch's mean cross-entropy.

    Args:
        build: Makes equal modules.
        batches: Images and labels.
        every: Value of ``accumulate_grad_batches``, by which the Trainer divides.
    """
    log = logged_fit(build, batches, accumulate_grad_batches=every)
    when = f"accumulate_grad_batches={every}"
    return _whole_loss(_loss_factor(build, log, every), when)


def keeps_sgd(build: Build, batches: Sequence[Any], momentum: float = 0.9) -> Finding:
    """Check whether every update is made by SGD with this momentum."""
    settings = [s for use in logged_fit(build, batches).uses for s in use.settings]
    other = sorted({kind for kind, _, _ in settings} - {"SGD"})
    values = sorted({value for _, _, value in settings} - {momentum})
    seen = f"SGD runs with momentum {', '.join(f'{value:g}' for value in values)}."
    if other:
        seen = f"{other[0]} updates the weights."
    remedy = f"Keep SGD with its momentum of {momentum}."
    return Finding(seen, not (other or values), remedy)


def obeys_in_processes(
    build: Build, loader: Any, norm: float, every: int = 2, processes: int = 2
) -> Iterator[Finding]:
    """Check whether updates in several processes use the mean of their gradients.

    Args:
        build: Makes equal modules, in each process.
        loader: Images and labels; each process gets its share.
        norm: Value of ``gradient_clip_val``.
        every: Value of ``accumulate_grad_batches``.
        processes: How many, on the CPU with gloo.

    Raises:
        LearnerError: If training raises or the processes wait for each other.
        CannotCheck: If no second process can be started.
    """
    flags = {"accumulate_grad_batches": every, "gradient_clip_val": norm}

    def work() -> tuple[list[GradientUse], float]:
        spread = {"devices": processes, "strategy": "ddp"}
        log = logged_fit(build, loader, **flags, **spread)
        return log.uses, _loss_factor(build, log, every)

    ranks = in_processes(work, processes)
    yield _whole_loss(ranks[0][1], f"{processes} processes")
    for together in zip(*(uses for uses, _ in ranks), strict=True):
        batches = [
            torch.stack(each).mean(0)
            for each in zip(*(use.batches for use in together), strict=True)
        ]
        wrong = _misuse(replace(together[0], batches=batches), norm)
        named = ", ".join(f"{name}={value}" for name, value in flags.items())
        seen = f"With {processes} processes and {named} {wrong}."
        yield Finding(seen, not wrong, _LEAVE_GRADIENTS)
