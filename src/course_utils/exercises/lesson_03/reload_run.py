"""Save a trained module, load it, and compare the two; with real Trainers."""

import contextlib
import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.fit import fit
from course_utils.checks.learner_code import (
    CannotCheck,
    LearnerError,
    has_forward,
    learners_code,
)
from course_utils.checks.training_step import tensors_in
from course_utils.checks.weights_only import (
    default_safe_globals,
    unloadable_values,
)
from course_utils.experiments import preserve_global_state
from course_utils.measure import evaluation_mode

Group = dict[str, Any]
ModuleClass = type[L.LightningModule]


@dataclass(frozen=True)
class Reload:
    """A module before it was saved, and after it was loaded.

    Attributes:
        saved: The hyperparameters in the file.
        error: What stopped the loading, None if nothing did.
        heavy: What in the file does not load by default, with its type; a name outside
            the hyperparameters says where it is, as in ``"lr in optimizer_states"``.
        same_outputs: Whether both map the same inputs to the same bits.
        groups: Settings of the optimizers' parameter groups, before and after.
        same_training: Whether training both once more ends with the same bits.
    """

    saved: Mapping[str, Any]
    error: BaseException | None
    heavy: Mapping[str, str]
    same_outputs: bool = False
    groups: tuple[Sequence[Group], Sequence[Group]] = ((), ())
    same_training: bool = False


class _Settings(L.Callback):
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.groups = [
            {"optimizer": type(optimizer).__name__, **_without_tensors(group)}
            for optimizer in trainer.optimizers
            for group in optimizer.param_groups
        ]


def _without_tensors(group: Mapping[str, Any]) -> Group:
    return {n: v for n, v in group.items() if n not in ("params", "param_names")}


def _trained(module: L.LightningModule, batches: Sequence[Any]) -> list[Group]:
    """Train one epoch from a fixed seed; return the optimizers' settings."""
    start = _Settings()
    L.seed_everything(0, verbose=False)
    fit(module, batches, callbacks=[start])
    return start.groups


def _bits(value: Any) -> list[Tensor]:
    return [each.detach().clone() for each in tensors_in(value)]


def _same(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    return len(before) == len(after) and all(map(torch.equal, before, after))


@torch.no_grad()
def _outputs(module: L.LightningModule, inputs: Tensor) -> list[Tensor]:
    torch.manual_seed(0)
    with learners_code("forward"), evaluation_mode(module):
        return _bits(module(inputs))


def _weights(module: L.LightningModule) -> list[Tensor]:
    return _bits(module.state_dict())


def _built(module_class: ModuleClass, settings: Mapping[str, Any]) -> L.LightningModule:
    torch.manual_seed(0)
    with learners_code("__init__"):
        return module_class(**copy.deepcopy(dict(settings)))


def _loaded(
    module_class: ModuleClass, file: Path, given: Mapping[str, Any]
) -> L.LightningModule:
    torch.manual_seed(1)
    given = copy.deepcopy(dict(given))
    with learners_code("load_from_checkpoint"):
        return module_class.load_from_checkpoint(file, map_location="cpu", **given)


def _forget(module_class: ModuleClass, settings: Mapping[str, Any]) -> None:
    """Build another instance.

    What a class or a global variable remembers of the last instance is lost then, as it
    is in a new process.
    """
    with contextlib.suppress(LearnerError):  # it may have no defaults
        _built(module_class, settings)


def _heavy(content: Mapping[str, Any]) -> dict[str, str]:
    if found := unloadable_values(content.get("hyper_parameters", {})):
        return found
    return {
        f"{name} in {place}".strip(): kind
        for place, part in content.items()
        if place != "state_dict"
        for name, kind in unloadable_values(part).items()
    }


def _compared(
    module: L.LightningModule, loaded: L.LightningModule, batches: Sequence[Any]
) -> tuple[bool, tuple[Sequence[Group], Sequence[Group]], bool]:
    inputs = tensors_in(batches[0])[0]
    same_outputs = _same(_outputs(module, inputs), _outputs(loaded, inputs))
    groups = (_trained(module, batches), _trained(loaded, batches))
    return same_outputs, groups, _same(_weights(module), _weights(loaded))


def reload(
    module_class: ModuleClass,
    settings: Mapping[str, Any],
    batches: Sequence[Any],
    again: Sequence[str] = (),
    between: Mapping[str, Any] | None = None,
) -> Reload:
    """Train, save, load, compare; every global setting is put back, the file removed.

    Args:
        module_class: Is built with ``settings``, twice trained on the CPU.
        settings: Arguments that differ from the defaults, else nothing can be lost.
        batches: Ready-made batches; the first tensor of the first goes to ``forward``.
        again: Names of the arguments that loading is given again, say a network.
        between: Settings of another instance, built between saving and loading; by
            default its arguments have their defaults.

    Raises:
        LearnerError: If the module's own code raises before it is loaded.
        CannotCheck: If the module has no forward pass.
    """
    given = {name: settings[name] for name in again}
    with (
        preserve_global_state(),
        default_safe_globals(),
        tempfile.TemporaryDirectory() as folder,
    ):
        module, file = _built(module_class, settings), Path(folder, "model.ckpt")
        if not has_forward(module):
            raise CannotCheck("The check compares outputs, so it needs a forward pass.")
        _trained(module, batches)
        with learners_code("save_checkpoint"):
            module.trainer.save_checkpoint(file)
        _forget(module_class, given if between is None else between)
        # Trusted: this process wrote the file a moment ago.
        content = torch.load(file, map_location="cpu", weights_only=False)
        saved, heavy = dict(content.get("hyper_parameters", {})), {}
        try:
            # What __init__ has allowed since, a new process does not allow.
            with default_safe_globals():
                heavy = _heavy(content)
                loaded = _loaded(module_class, file, given)
        except LearnerError as error:
            return Reload(saved, error.__cause__, heavy)
        return Reload(saved, None, heavy, *_compared(module, loaded, batches))
