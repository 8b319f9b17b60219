"""Run a learner's callbacks while a validation metric follows a script."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.learner_code import LearnerError, learners_code

MakeCallbacks = Callable[[str], Any]
STEP = 0.125  # a power of two, so that no step is rounded


def callbacks_for(make: MakeCallbacks, folder: str) -> list[L.Callback]:
    """Return the callbacks that the learner's function makes for a folder.

    Raises:
        LearnerError: If it raises, or returns something else than callbacks.
    """
    with learners_code("Your function"):
        made = make(folder)
    made = [made] if isinstance(made, L.Callback) else made
    if isinstance(made, tuple | list) and all(isinstance(c, L.Callback) for c in made):
        return list(made)
    raise LearnerError(
        f"Expected a list of callbacks but got {type(made).__name__}; return a list."
    )


class ScriptedMetric(L.LightningModule):
    """A module that logs a script of numbers as its validation metric.

    Whatever it learns, it logs one number after the other, and records in its weights
    how many validation runs there were.

    Attributes:
        checks: Validation runs so far, as a buffer: a checkpoint holds it.
        weight: One number that training lowers by `STEP` with each batch, so that it
            tells how long it was trained.
        judged: What the weight was in each validation run so far.
    """

    def __init__(self, name: str, script: Sequence[float]) -> None:
        """Log ``script[i]`` as ``name`` in validation run ``i``."""
        super().__init__()
        self.name, self.script = name, list(script)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("checks", torch.zeros((), dtype=torch.int64))
        self.judged: list[float] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Return a loss."""
        return (self.weight * batch).sum()

    def on_validation_epoch_start(self) -> None:
        """Count the validation run."""
        if not self.trainer.sanity_checking:
            self.checks += 1
            self.judged.append(self.weight.item())

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Log the number of this validation run."""
        # Here, and not at the end: callbacks are called before the module, and may
        # read the metric in their own `on_validation_epoch_end`.
        self.log(self.name, self.script[max(int(self.checks) - 1, 0)])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=STEP)


def loaded(file: Path) -> Any:
    """Return what ``torch.save`` wrote into a file, None if it is of another kind."""
    try:  # trusted: this process wrote the file a moment ago
        return torch.load(file, map_location="cpu", weights_only=False)
    except Exception:  # whatever torch says to a text or a picture
        return None


def scripted_state(
    content: Any, names: Collection[str] = ("weight", "checks")
) -> dict[str, Any] | None:
    """Return the state of a `ScriptedMetric` in what a file holds, if there is one.

    The file may be a checkpoint of Lightning, or a state dict or module that somebody
    saved, alone or as a part of something else.

    Args:
        content: What the file holds.
        names: Entries of the state, for another module's.
    """
    parts = [content]
    while parts:
        part = parts.pop(0)
        part = part.state_dict() if isinstance(part, torch.nn.Module) else part
        if isinstance(part, Mapping) and {*names} <= part.keys():
            return dict(part)
        parts += part.values() if isinstance(part, Mapping) else []
    return None
