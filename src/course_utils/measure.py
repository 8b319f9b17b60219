"""Measure training: seconds, bytes, copies, operations, updates, accuracy."""

import sys
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

import lightning as L
import psutil
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils.data import scaled

MEGABYTE = 2**20


def seconds(
    versions: Mapping[str, Callable[[], object]], repeats: int = 5
) -> dict[str, list[float]]:
    """Return wall seconds of each version, ``repeats`` times, interleaved.

    Versions take turns (a b a b ...), so a machine that slows down slows all of them.
    Compare medians, as ratios. With a GPU each run is waited for.
    """
    found: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(repeats):
        for name, version in versions.items():
            start = time.perf_counter()
            version()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            found[name].append(time.perf_counter() - start)
    return found


def peak_megabytes() -> float:
    """Return the most memory this process ever held, in megabytes.

    Linux and macOS: the kernel's own high-water mark; Windows: peak working set.
    """
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / MEGABYTE
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE


@torch.no_grad()
def accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that ``module`` classifies rightly, in 0..1.

    The module is put into evaluation mode meanwhile and left as it was.

    Args:
        module: Maps images in 0..1 to logits of shape ``(n, classes)``.
        images: Shape ``(n, channel, height, width)``, uint8.
        labels: Shape ``(n,)``, int64.
    """
    device = next(module.parameters(), images).device
    modes = {part: part.training for part in module.modules()}
    try:
        preds = module.eval()(scaled(images).to(device)).argmax(1).cpu()
    finally:
        for part, mode in modes.items():
            part.training = mode
    return (preds == labels).float().mean().item()


class MetricCurve(L.Callback):
    """Keep a logged metric after every training batch.

    Attributes:
        values: One number for each batch so far.
    """

    def __init__(self, name: str) -> None:
        """Follow the metric that ``self.log`` knows as ``name``."""
        self.name = name
        self.values: list[float] = []

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Append the newest value.

        Raises:
            ValueError: If nothing was logged under that name.
        """
        logged = trainer.callback_metrics
        if self.name not in logged:
            raise ValueError(
                f"Expected a metric logged as {self.name!r} but got "
                f"{', '.join(logged) or 'none'}; log it in training_step."
            )
        self.values.append(float(logged[self.name]))


class OptimizerSteps:
    """Count the optimizer steps taken inside a ``with`` block.

    It counts what optimizers did, whoever called them; ``trainer.global_step`` counts
    what the Trainer believes. A step that the closure turned into a no-op counts too;
    that of an optimizer with nothing to train does not: Lightning puts one in place
    when ``configure_optimizers`` returns None.

    Attributes:
        count: Steps so far.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> with OptimizerSteps() as steps:
        ...     torch.optim.SGD([weight], lr=0.1).step()
        >>> steps.count
        1
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.count = 0

    def _hook(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        params = [p for group in optimizer.param_groups for p in group["params"]]
        self.count += any(p.requires_grad for p in params)

    def __enter__(self) -> "OptimizerSteps":
        """Begin to count."""
        self._handle = register_optimizer_step_post_hook(self._hook)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop counting."""
        self._handle.remove()


class _Kept:
    """One tensor that autograd saved; its life is the life of the saved tensor."""

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class SavedTensors:
    """Follow the bytes that autograd saves for backward inside a ``with`` block.

    Memory shared by several saved tensors counts once. Graphs made inside the block
    are followed after it, too: read ``live`` to see what is still held.

    Attributes:
        live: Bytes held right now.
        peak: Most bytes held at one time.

    Example:
        >>> weight = torch.ones(256, 256, requires_grad=True)
        >>> with SavedTensors() as saved:
        ...     loss = (weight * weight).sum()
        >>> saved.live == weight.nbytes
        True
        >>> loss.backward()
        >>> saved.live
        0
    """

    def __init__(self, ignore: Iterable[Tensor] = ()) -> None:
        """Follow all saved tensors, except the memory of those in ``ignore``.

        Args:
            ignore: Tensors that exist anyway, usually ``module.parameters()``.
        """
        self.live = 0
        self.peak = 0
        self._ignored = list(ignore)
        self._users: Counter[int] = Counter()

    def _release(self, pointer: int, size: int) -> None:
        self._users[pointer] -= 1
        if not self._users[pointer]:
            del self._users[pointer]
            self.live -= size

    def _pack(self, tensor: Tensor) -> _Kept:
        kept = _Kept(tensor.detach())
        storage = tensor.untyped_storage()
        pointer, size = storage.data_ptr(), storage.nbytes()
        # Asked anew each time: moving a module to a device gives it other memory.
        if pointer in {each.untyped_storage().data_ptr() for each in self._ignored}:
            return kept
        if not self._users[pointer]:
            self.live += size
            self.peak = max(self.peak, self.live)
        self._users[pointer] += 1
        weakref.finalize(kept, self._release, pointer, size)
        return kept

    def __enter__(self) -> "SavedTensors":
        """Begin to follow."""
        self._hooks = torch.autograd.graph.saved_tensors_hooks(
            self._pack, lambda kept: kept.tensor
        )
        self._hooks.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Follow no further graphs."""
        self._hooks.__exit__(kind, error, trace)


class Operations(TorchDispatchMode):
    """Count torch operations and bytes copied between devices in a ``with`` block.

    Attributes:
        counts: Calls by operation, for example ``{"aten.add": 3}``.
        copied_bytes: Bytes that moved from one device to another.

    Example:
        >>> with Operations() as operations:
        ...     _ = torch.ones(3) + 1
        >>> operations.counts["aten.add"], operations.copied_bytes
        (1, 0)
    """

    def __init__(self) -> None:
        """Start at zero."""
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.copied_bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operation and count it."""
        result = func(*args, **(kwargs or {}))
        name = str(func.overloadpacket)
        self.counts[name] += 1
        if name in ("aten._to_copy", "aten.copy_"):
            source = args[0] if name == "aten._to_copy" else args[1]
            if isinstance(source, Tensor) and source.device != result.device:
                self.copied_bytes += result.nbytes
        return result
