"""Count memory: what autograd keeps for backward, what the process ever held."""

import sys
import weakref
from collections import Counter
from collections.abc import Iterable

import psutil
import torch
from torch import Tensor

MEGABYTE = 2**20


def peak_megabytes() -> float:
    """Return the most memory this process ever held, in megabytes.

    Linux and macOS: the kernel's own high-water mark; Windows: peak working set.
    """
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / MEGABYTE
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE


class _Kept:
    """One tensor that autograd saved; its life is the life of the saved tensor."""

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class SavedTensors(torch.autograd.graph.saved_tensors_hooks):
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
        super().__init__(self._pack, lambda kept: kept.tensor)
        self.live = self.peak = 0
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
        # Looked up each time: moving a module to a device gives it other memory.
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
        super().__enter__()
        return self
