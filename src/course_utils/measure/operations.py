"""Count operations: torch calls, copied bytes, numbers drawn on the CPU."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """Count torch operations in a ``with`` block, and two that cost time on a GPU.

    Attributes:
        counts: Calls by operation, for example ``{"aten.add": 3}``.
        copied_bytes: Bytes that moved from one device to another.
        drawn_on_cpu: Random numbers that were drawn on the CPU.

    Example:
        >>> import torch
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
        self.drawn_on_cpu = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the operation and count it."""
        result = func(*args, **(kwargs or {}))
        name = str(func.overloadpacket)
        self.counts[name] += 1
        if name in ("aten._to_copy", "aten.copy_"):
            source = args[0] if name == "aten._to_copy" else args[1]
            if isinstance(source, Tensor) and source.device != result.device:
                self.copied_bytes += result.nbytes
        draws = torch.Tag.nondeterministic_seeded in func.tags
        if draws and isinstance(result, Tensor) and result.device.type == "cpu":
            self.drawn_on_cpu += result.numel()
        return result
