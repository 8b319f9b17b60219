"""How many more bytes does a module hold after each of its steps?"""

import gc
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
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
    """Train an epoch at learning rate 0 and return the bytes that each step leaves.

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
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.0)
    with MemoryTrace() as trace:
        live = _LiveBytes(trace, last)
        fit(module, loader, callbacks=[live])
    if len(live.bytes) < 2:  # the module ended its epoch early
        return 0.0
    first, end = live.bytes
    return (end - first) / (last - (WARM_UP - 1))


def keeps_little_memory(
    module: L.LightningModule, loader: DataLoader[Any], per_step: int, batch: int
) -> Finding:
    """Check that the module holds at most ``per_step`` bytes more after each step.

    Args:
        module: Is run on the CPU.
        loader: At least five batches.
        per_step: Bytes that a step may leave.
        batch: Bytes of the images in one batch; more than that left is a graph.
    """
    grows = growth_per_step(module, loader)
    seen = f"Each step leaves {grows / 1024:.1f} KB; {per_step / 1024:.1f} KB would do."
    view = "A part of a batch is a view, and keeps the whole batch: clone it."
    graph = "That is more than the batch: something still holds a graph, detach it."
    remedy = graph if grows > 1.5 * batch else view
    return Finding(seen, grows <= per_step, remedy)
