"""Public names of a package that are imported when they are first used (PEP 562)."""

import importlib
import sys
from collections.abc import Callable
from typing import Any


def lazy(package: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, which imports a name's home on first use.

    So `course --help` need not wait for torch, and a lesson loads only what it uses.
    The names are listed by ``dir(package)``, so that Tab completes them in a notebook.

    Args:
        package: The package's ``__name__``.
        homes: Public name to the module that defines it, relative to the package. A
            name must not equal a module's: importing the module would replace it.
    """
    module = sys.modules[package]
    module.__dir__ = lambda: sorted({*vars(module), *homes})

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return __getattr__
