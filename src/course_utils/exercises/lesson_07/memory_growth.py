"""How many more bytes does a module hold after each of its steps?"""

import gc
from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from course_utils.checks.applied_gradients import FixedWeights
from course_utils.checks.fit import fit
from course_utils.measure import MemoryTrace

WARM_UP = 3  # batches after which optimizer and buffers are in place


class _LiveBytes(L.Callback):
    """Record the bytes in use after two batches: once warm, and the last one."""

    def __init__(self, trace: MemoryTrace, last: int) -> None:
        self.trace, self.at = trace, {WARM_UP - 1, last}
        self.bytes: list[int] = []

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if batch_idx in self.at:
            del outputs  # the Trainer hands it to us; it is no leftover of the module
            gc.collect()
            self.bytes.append(self.trace.live)


def growth_per_step(module: L.LightningModule, loader: DataLoader[Any]) -> float:
    """Train an epoch at fixed weights and return the bytes that each step leaves.

    Everything counts that was made during training and still exists: tensors in
    attributes, the batches that they are views of, graphs with their activations.

    Args:
        module: Is run on the CPU.
        loader: At least five batches, each with its own memory.

    Raises:
        LearnerError: If training raises.
        ValueError: If there are too few batches.
    """
    last = len(loader) - 1
    if last < WARM_UP + 1:
        raise ValueError(
            f"Expected at least {WARM_UP + 2} batches but got {len(loader)}."
        )
    with MemoryTrace() as trace:
        live = _LiveBytes(trace, last)
        fit(module, loader, callbacks=[live, FixedWeights()])
    if len(live.bytes) < 2:  # the module ended its epoch early
        return 0.0
    first, end = live.bytes
    return (end - first) / (last - (WARM_UP - 1))
