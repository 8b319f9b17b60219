"""Follow every tensor of a piece of work: memory held against operations done."""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry


def _storages(values: Any) -> Iterable[torch.UntypedStorage]:
    for value in tree_iter(values):
        if isinstance(value, Tensor) and value.layout == torch.strided:
            yield value.untyped_storage()


class MemoryTrace(TorchDispatchMode):
    """Follow all tensors made in a ``with`` block: bytes held, operations done.

    It sees what autograd saves, gradients, and what is there for a moment only, also in
    the backward pass; not the scratch space inside one operation. Memory that existed
    before does not count. It is the counterpart of ``torch.cuda.max_memory_allocated``
    on any device.

    Attributes:
        live: Bytes held right now; right also after the block.
        peak: Most bytes held at one time.
        flops: Floating-point operations of matrix products and convolutions so far,
            as torch counts them.
        bytes_by_flops: ``(flops, live)`` after each operation.

    Example:
        >>> with MemoryTrace() as trace:
        ...     product = torch.ones(8, 4) @ torch.ones(4, 2)
        >>> trace.peak, trace.live, trace.flops
        (224, 64, 128)
    """

    def __init__(self) -> None:
        """Start at zero."""
        super().__init__()
        self.live = self.peak = self.flops = 0
        self.bytes_by_flops: list[tuple[int, int]] = []
        self._sizes: dict[int, int] = {}

    def _release(self, key: int) -> None:
        self.live -= self._sizes.pop(key)

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)  # torch keeps one Python object as long as the memory lives
        self._sizes[key] = storage.nbytes()
        self.live += storage.nbytes()
        weakref.finalize(storage, self._release, key)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the operation and follow what it made."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        for storage in _storages(result):
            if id(storage) in self._sizes:
                continue
            # A view of memory from outside, or a change in place: nothing was made.
            if not any(storage is given for given in _storages((args, kwargs))):
                self._follow(storage)
        if count := flop_registry.get(func._overloadpacket):
            self.flops += int(count(*args, **kwargs, out_val=result))
        self.peak = max(self.peak, self.live)
        self.bytes_by_flops.append((self.flops, self.live))
        return result
