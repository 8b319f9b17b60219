"""Does what a module knows survive a real checkpoint?"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.hardware import quiet_trainer
from course_utils.measure import evaluation_mode

_EVERY_MODULE_HAS = frozenset(vars(L.LightningModule()))


def _tensors_in(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _tensors_in(each, f"{name}[{key!r}]")
    elif isinstance(value, list | tuple):
        for i, each in enumerate(value):
            yield from _tensors_in(each, f"{name}[{i}]")


def tensors_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return every tensor that ``module`` holds, by its name as an attribute.

    Parameters and buffers are among them, and plain attributes, also in lists, tuples
    and dicts: what a checkpoint stores and what it does not.

    Example:
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> layer.seen = [torch.zeros(1)]
        >>> sorted(tensors_of(layer))
        ['seen[0]', 'weight']
    """
    found: dict[str, Tensor] = {}
    for path, part in module.named_modules():
        prefix = f"{path}." if path else ""
        own = {k: v for k, v in vars(part).items() if k not in _EVERY_MODULE_HAS}
        for name, value in {**part._parameters, **part._buffers, **own}.items():
            found.update(_tensors_in(value, prefix + name))
    return found


def _same(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and torch.equal(one.detach().cpu(), other.detach().cpu())


def changed_tensors(before: torch.nn.Module, after: torch.nn.Module) -> list[str]:
    """Return the names of tensors that differ, or that ``after`` does not have."""
    others = tensors_of(after)
    mine = tensors_of(before)
    return [name for name, each in mine.items() if not _same(each, others.get(name))]


def _saved(module: L.LightningModule, folder: str) -> Path:
    trainer = L.Trainer(**quiet_trainer(accelerator="cpu"))
    trainer.strategy.connect(module)
    file = Path(folder, "trained.ckpt")
    with learners_code("Saving"):
        trainer.save_checkpoint(file)
    return file


def _loaded(module: L.LightningModule, file: Path) -> L.LightningModule:
    with learners_code("Loading the checkpoint"):
        return type(module).load_from_checkpoint(file, map_location="cpu")


def stored(module: L.LightningModule) -> dict[str, Any]:
    """Return what a Trainer writes into the checkpoint of ``module``.

    Raises:
        LearnerError: If a hook raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Trusted: this process wrote the file a moment ago.
        return torch.load(_saved(module, folder), weights_only=False)


@torch.no_grad()
def _answers(module: L.LightningModule, ask: Callable[[Any], Tensor]) -> Tensor:
    with learners_code("forward"), evaluation_mode(module):
        return ask(module)


def survives_saving(
    module: L.LightningModule, ask: Callable[[Any], Tensor]
) -> tuple[Finding, L.LightningModule | None]:
    """Check whether a trained module and its reloaded copy give the same answers.

    Args:
        module: A trained module on the CPU; its parts keep their modes.
        ask: Gets a module and returns its answers, for example
            ``lambda module: module(images)``.

    Returns:
        A finding, and the reloaded module, None if there is none.

    Raises:
        LearnerError: If saving, or the module itself, raises.
    """
    before = _answers(module, ask)
    with tempfile.TemporaryDirectory() as folder:
        file = _saved(module, folder)
        try:
            copy = _loaded(module, file)
        except LearnerError as error:
            remedy = "A new instance has to have a place for all that was saved."
            return Finding(str(error), False, remedy), None
    if torch.equal(before, _answers(copy, ask)):
        return Finding("The reloaded module predicts the same.", True), copy
    names = ", ".join(changed_tensors(module, copy))
    lost = f": {names} did not come back" if names else ""
    seen = f"The reloaded module predicts something else{lost}."
    remedy = "What was learned has to be in the checkpoint, as a persistent buffer is."
    return Finding(seen, False, remedy), copy
