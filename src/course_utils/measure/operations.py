"""Count operations: torch calls, and bytes copied between devices."""

from collections import Counter
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """Count torch operations and bytes copied between devices in a ``with`` block.

    Attributes:
        counts: Calls by operation, for example ``{"aten.add": 3}``.
        copied_bytes: Bytes that moved from one device to another.

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
        return result
