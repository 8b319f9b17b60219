"""Count operations: optimizer steps, torch calls, copies between devices."""

from collections import Counter
from types import TracebackType
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode


class OptimizerSteps:
    """Count the optimizer steps taken inside a ``with`` block.

    It counts what optimizers did, whoever called them; ``trainer.global_step`` counts
    what the Trainer believes. A step that the closure turned into a no-op counts too;
    that of an optimizer with nothing to train does not: Lightning puts one in place
    when ``configure_optimizers`` returns None.

    Attributes:
        count: Steps so far.

    Example:
        >>> import torch
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
