"""How many GPUs does this machine have, as far as a learner's code can tell?"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch

# Lightning and torch must see the real machine: told of GPUs that do not exist, they
# would initialize a driver. Only calls from the learner's own code are answered.
_LIBRARIES = ("torch", "torchvision", "torchmetrics", "lightning", "course_utils")


def is_here(device: str) -> bool:
    """Return whether this machine really has ``device``, whatever is simulated."""
    wanted = torch.device(device)
    if wanted.type == "cpu":
        return True
    if wanted.type != "cuda" or not torch.cuda.is_available():
        return False
    return (wanted.index or 0) < torch.cuda.device_count()


class Machine:
    """A machine with some GPUs, one of them current.

    Attributes:
        gpus: How many there are.
        current: Index of the one that ``"cuda"`` without an index means.
    """

    def __init__(self, gpus: int, current: int) -> None:
        """Keep the number of GPUs and the current one."""
        self.gpus = gpus
        self.current = current

    def use(self, device: Any) -> None:
        """Make a GPU, given as in ``torch.cuda.set_device``, the current one."""
        index = device if isinstance(device, int) else torch.device(device).index
        self.current = index or 0

    def accelerator(self, check_available: bool = False) -> torch.device | None:
        """Return the kind of accelerator; unchecked, that which torch was built for."""
        return torch.device("cuda") if self.gpus or not check_available else None

    def answers(self) -> dict[tuple[Any, str], Callable[..., Any]]:
        """Return what stands in for each function of torch, by module and name."""
        return {
            (torch.cuda, "is_available"): lambda: self.gpus > 0,
            (torch.cuda, "device_count"): lambda: self.gpus,
            (torch.cuda, "current_device"): lambda: self.current,
            (torch.cuda, "set_device"): self.use,
            (torch.accelerator, "is_available"): lambda: self.gpus > 0,
            (torch.accelerator, "device_count"): lambda: self.gpus,
            (torch.accelerator, "current_accelerator"): self.accelerator,
        }


def _unless_library(
    real: Callable[..., Any], simulated: Callable[..., Any]
) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Any:
        # Frame 1 is the caller: its module says who is asking.
        asking = sys._getframe(1).f_globals.get("__name__", "")
        chosen = real if asking.partition(".")[0] in _LIBRARIES else simulated
        return chosen(*args, **kwargs)

    return answer


_machines: list[Machine] = []


def simulated_gpu_count() -> int | None:
    """Return how many GPUs are simulated right now, None if none are."""
    return _machines[-1].gpus if _machines else None


@contextlib.contextmanager
def simulated_gpus(count: int, current: int = 0) -> Iterator[Machine]:
    """Let a learner's code find ``count`` GPUs when it asks torch; libraries do not.

    Args:
        count: GPUs of the simulated machine, from 0.
        current: Index of the one that ``"cuda"`` without an index means. A Trainer
            sets it to the GPU that it trains on.
    """
    machine = Machine(count, current)
    with contextlib.ExitStack() as stack:
        for place, answer in machine.answers().items():
            chosen = _unless_library(getattr(*place), answer)
            stack.enter_context(mock.patch.object(*place, chosen))
        _machines.append(machine)
        stack.callback(_machines.remove, machine)
        yield machine
