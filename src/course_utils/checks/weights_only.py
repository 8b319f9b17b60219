"""What may go into a checkpoint, if it is to be loaded without further arguments?"""

import io
from collections.abc import Iterator, Mapping
from typing import Any

import torch


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
    """Return the type's name as one would write it, for example ``numpy.float64``."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    known = package not in ("builtins", "__main__")
    return f"{package}.{kind.__name__}" if known else kind.__name__


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
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
