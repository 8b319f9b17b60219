"""What may go into a checkpoint, if it is to be loaded without further arguments?"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import torch

from course_utils.experiments.global_state import set_safe_globals


def _is_default(known: Any) -> bool:
    """Return whether torch or Lightning themselves let ``torch.load`` build this."""
    known = known[0] if isinstance(known, tuple) else known
    root = str(getattr(known, "__module__", "")).partition(".")[0]
    if root == "builtins":
        return isinstance(known, type) and issubclass(known, BaseException)
    return root in ("torch", "traceback", "lightning", "torchmetrics")


@contextlib.contextmanager
def default_safe_globals() -> Iterator[None]:
    """Let ``torch.load`` build in a block only what it may build in a new process.

    ``torch.serialization.add_safe_globals`` counts for this process alone, and a
    module's ``__init__`` may call it. Afterwards the list is as it was.
    """
    known = torch.serialization.get_safe_globals()
    set_safe_globals([each for each in known if _is_default(each)])
    try:
        yield
    finally:
        set_safe_globals(known)


def loads_by_default(value: Any) -> bool:
    """Return whether ``torch.load`` brings ``value`` back without further arguments.

    Its default is ``weights_only=True``: tensors, numbers, text and containers of them.

    Example:
        >>> import numpy as np
        >>> loads_by_default(0.01), loads_by_default(np.float64(0.01))
        (True, False)
    """
    file = io.BytesIO()
    try:
        torch.save(value, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    except Exception:  # whatever the value's own class raises
        return False
    return True


def type_name(value: Any) -> str:
    """Return the type's name as one would write it, for example ``numpy.float64``.

    Example:
        >>> type_name(range(3)), type_name(torch.optim.Adam)
        ('range', 'class, torch.Adam')
    """
    kind = value if isinstance(value, type) else type(value)
    package = kind.__module__.partition(".")[0]
    known = package not in ("builtins", "__main__")
    name = f"{package}.{kind.__name__}" if known else kind.__name__
    return f"class, {name}" if kind is value else name


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    # Only of containers that load themselves.
    if isinstance(value, dict):
        yield from ((str(name), part) for name, part in value.items())
    elif isinstance(value, list | tuple):
        yield from (("", part) for part in value)


def unloadable_values(value: Any, name: str = "") -> dict[str, str]:
    """Return what in ``value`` does not load: the innermost name, and its type.

    Example:
        >>> unloadable_values({"param_groups": [{"lr": range(3), "eps": 0.1}]})
        {'lr': 'range'}
    """
    if loads_by_default(value):
        return {}
    found: dict[str, str] = {}
    for part_name, part in _parts(value):
        found |= unloadable_values(part, part_name or name)
    return found or {name: type_name(value)}
