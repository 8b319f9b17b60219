"""Tensors on a device that is not there.

PyTorch's ``FakeTensorMode`` runs operations on tensors that have a shape, a dtype and a
device, but no memory. It applies the rules and the wording of real devices, so that
``cuda:1`` can be simulated on a machine without a GPU. It is semi-private, so only
this module uses it.
"""

import contextlib
import copy
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.distributions import Distribution
from torch.fx.experimental.symbolic_shapes import (
    GuardOnDataDependentSymNode,
    ShapeEnv,
)
from torch.overrides import TorchFunctionMode

from course_utils.checks.fake_gpus import Machine, simulated_gpu_count, simulated_gpus

# What torch says when tensors live on different devices, or on one it does not have.
_DEVICE_FAULTS = (
    "same device",
    "two devices",
    "either on cpu or",
    "device type tensor to numpy",
    "found no nvidia driver",
    "not compiled with cuda",
    "no cuda gpus",
    "invalid device ordinal",
)
_CPU = torch.device("cpu")
# Functions that hand the values of tensors to Python.
_READ_VALUES = {"__bool__", "__float__", "__format__", "__index__", "__int__"} | {
    "allclose",
    "equal",
    "is_nonzero",
    "item",
    "numpy",
    "tolist",
}
_NEEDS_VALUES = (
    GuardOnDataDependentSymNode,
    DataDependentOutputException,
    DynamicOutputShapeException,
)
_UNKNOWN = (UnsupportedFakeTensorException, UnsupportedOperatorException)
_UNKNOWN_WORDS = (".numpy() is not supported", "couldn't swap")
_NEEDS_A_DRIVER = (
    "found no nvidia driver",
    "not compiled with cuda",
    "cuda driver",
    "primarycontext",
)


def is_device_fault(error: BaseException) -> bool:
    """Return whether ``error`` is about the device of a tensor."""
    return any(words in str(error).lower() for words in _DEVICE_FAULTS)


def why_undecided(error: BaseException) -> str:
    """Return what the simulation cannot decide about this error, ``""`` if nothing."""
    text = str(error).lower()
    if isinstance(error, _NEEDS_VALUES):
        return "needs values, which fake tensors do not have"
    if isinstance(error, _UNKNOWN) or any(words in text for words in _UNKNOWN_WORDS):
        return "does something that fake tensors cannot do"
    if any(words in text for words in _NEEDS_A_DRIVER):
        return "asks the driver of a GPU, which is not there"
    return ""


class TensorValues(TorchFunctionMode):
    """Keep, in a ``with`` block, what Python code read from tensors, in order.

    Attributes:
        values: Name of the function, for example ``"item"``, and what it returned.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.values: list[tuple[str, Any]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call the function and keep what it returned."""
        result = func(*args, **(kwargs or {}))
        if func.__name__ in _READ_VALUES:
            self.values.append((func.__name__, copy.copy(result)))
        return result


class _CurrentGpu(TorchFunctionMode):
    """Read ``"cuda"`` as the current GPU, and keep NumPy from reading no memory."""

    def __init__(self, machine: Machine, values: Sequence[tuple[str, Any]]) -> None:
        super().__init__()
        self.machine = machine
        self.values = list(values)

    def _gpu(self) -> torch.device:
        return torch.device("cuda", self.machine.current)

    def _indexed(self, value: Any) -> Any:
        if not isinstance(value, str | torch.device):
            return value
        return self._gpu() if str(value) == "cuda" else value

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.device:  # its first argument may be a kind beside an index
            return func(*args, **(kwargs or {}))
        args = tuple(self._indexed(value) for value in args)
        kwargs = {name: self._indexed(value) for name, value in (kwargs or {}).items()}
        if func is Tensor.cuda:
            tensor, device, *rest = *args, *([None] if len(args) == 1 else [])
            device = kwargs.pop("device", device)  # `module.cuda()` hands over a None
            args = (tensor, self._gpu() if device is None else device, *rest)
        if func in (Tensor.new, Tensor.new_tensor) and not kwargs.get("device"):
            kwargs["device"] = args[0].device  # a fake one would go to the first GPU
        if func.__name__ in _READ_VALUES and self.values:
            name, value = self.values.pop(0)
            if name == func.__name__ and not _needs_another_device(func, args):
                return value
        if func is Tensor.numpy:  # a fake tensor has no memory for NumPy to read
            if args[0].device.type == "cpu":
                raise RuntimeError(".numpy() is not supported for fake tensors")
            kind = args[0].device
            raise TypeError(f"can't convert {kind} device type tensor to numpy")
        with _in_the_words_of_devices():
            return func(*args, **kwargs)


def _needs_another_device(func: Any, args: tuple[Any, ...]) -> bool:
    devices = {each.device for each in args if isinstance(each, Tensor)}
    return len(devices) > 1 or (func is Tensor.numpy and devices != {_CPU})


@contextlib.contextmanager
def _in_the_words_of_devices() -> Iterator[None]:
    """Let older versions (2.11 is one) name two devices as a real machine does."""
    try:
        yield
    except RuntimeError as error:
        found = re.search(r"found two different devices (\S+), (\S+)", str(error))
        if found is None:
            raise
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two "
            f"devices, {found[1]} and {found[2]}!"
        ) from error


def _enter_without_gradients(self: Any) -> None:
    """Turn ``torch.inference_mode`` into ``torch.no_grad``: it asks for the driver."""
    self._inference_mode_context = torch.no_grad()
    self._inference_mode_context.__enter__()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence validation and logging that fake tensors would trip."""
    logger = logging.getLogger(FakeTensorMode.__module__)
    level, validates = logger.level, Distribution._validate_args
    logger.setLevel(logging.CRITICAL)  # it logs every error that it passes on
    Distribution.set_default_validate_args(False)  # distributions look at values
    try:
        # cuDNN's recurrent networks ask for the real GPU.
        with warnings.catch_warnings(), torch.backends.cudnn.flags(enabled=False):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        Distribution.set_default_validate_args(validates)


_swap_tensors = torch.utils.swap_tensors


def _move(old: Any, new: Any) -> None:
    """Let a module that holds fake tensors be moved once more.

    Torch would swap old and new, which fake tensors do not allow. A move changes
    nothing of a fake tensor but its device. The value of a constant, such as
    ``torch.tensor(0.0)``, stays behind: torch would calculate with it on the CPU.
    """
    if isinstance(old, FakeTensor) and old.dtype == new.dtype:
        old.fake_device, old.constant = new.fake_device, None
    else:
        _swap_tensors(old, new)


def _third(weight: Tensor | None) -> Tensor | None:
    return None if weight is None else weight[: len(weight) // 3]


def _gru(*args: Any) -> Any:
    """Follow a GRU as the simple network with the first of its three gates."""
    thirds = [[_third(w) for w in a] if isinstance(a, list) else a for a in args]
    return torch._VF.rnn_tanh(*thirds)


def _gru_cell(inputs: Tensor, state: Tensor, *weights: Tensor | None) -> Tensor:
    return torch._VF.rnn_tanh_cell(inputs, state, *map(_third, weights))


def _gradients(outputs: Any, inputs: Any, *_: Any, **__: Any) -> tuple[Tensor, ...]:
    """Return gradients of the right shape and place: the engine asks for the driver."""
    several = [inputs] if isinstance(inputs, Tensor) else inputs
    return tuple(torch.zeros_like(each) for each in several)


def _no_backward(*_: Any, **__: Any) -> None:
    """Make no backward pass: its engine asks for the driver, too."""


@contextlib.contextmanager
def simulated_tensors(
    device: str,
    values: Sequence[tuple[str, Any]] = (),
    current: int | None = None,
) -> Iterator[None]:
    """Run a block on tensors without values, as if a Trainer trained on ``device``.

    A module built before the block can be moved inside it, and is unusable after it.

    Args:
        device: For example ``"cpu"``, ``"cuda:0"``, ``"cuda:1"``.
        values: What Python code reads from the tensors, in order, see `TensorValues`;
            without it, a block that reads a value cannot be followed.
        current: The current GPU; by default that of ``device``, as a Trainer makes it.
    """
    # A learner's code that counts GPUs must find the one it runs on, and the others
    # before it. A module on the CPU leaves the count as the caller has set it.
    target = torch.device(device)
    index, known = target.index or 0, simulated_gpu_count() or 0
    count = known if target.type == "cpu" else max(known, index + 1)
    # Autograd counts devices once, in its first backward pass. Let that be now: fake
    # tensors make torch claim a GPU, whose threads would forbid forks from then on.
    with torch.enable_grad():
        torch.ones(1, requires_grad=True).sum().backward()
    # ShapeEnv lets operations with data-dependent shapes (nonzero, masks) return; real
    # inputs, such as a constant of the learner's, are converted on the way.
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        replaced = [
            (torch.inference_mode, "__enter__", _enter_without_gradients),
            (torch.utils, "swap_tensors", _move),
            (torch._VF, "gru", _gru),
            (torch._VF, "gru_cell", _gru_cell),
            (torch.autograd, "grad", _gradients),
            (Tensor, "backward", _no_backward),
        ]
        if values:  # its own reads item by item, out of sight of function modes
            replaced.append((FakeTensor, "tolist", Tensor.tolist))
        for each in replaced:
            stack.enter_context(mock.patch.object(*each))
        machine = stack.enter_context(
            simulated_gpus(count, index if current is None else current)
        )
        # The function mode lies around the fake mode: it sees calls first, while
        # their arguments still say "cuda" without an index.
        stack.enter_context(_CurrentGpu(machine, values))
        stack.enter_context(mode)
        yield
