"""Shapes written into type hints, and checked at each call.

The same idea, with data types and many more forms, is in the library jaxtyping.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from torch import Tensor

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class ShapeError(ValueError):
    """A tensor does not have the shape that a hint promises."""


def _spec(hint: Any) -> list[str] | None:
    """Return the sizes written into a hint, or None if it holds no shape."""
    if get_origin(hint) is not Annotated or get_args(hint)[0] is not Tensor:
        return None
    return next((e.split() for e in get_args(hint)[1:] if isinstance(e, str)), None)


def _well_formed(hint: Any, name: str) -> bool:
    """Return whether ``hint`` holds a shape; raise if it cannot be checked."""
    if (spec := _spec(hint)) is None:
        parts = [_well_formed(part, name) for part in get_args(hint)]
        if any(parts) and (get_origin(hint) is not tuple or ... in get_args(hint)):
            raise TypeError(
                f"Expected the shape of `{name}` in a hint of its own or in "
                "tuple[...] but got it inside another hint."
            )
        return any(parts)
    for size in spec:
        if not (size.isdigit() or size.isidentifier() or size == "..."):
            raise TypeError(
                f"Expected numbers, names or ... between blanks but got {size!r} in "
                f"the shape of `{name}`."
            )
    return True


def _fits(spec: Sequence[str], shape: Sequence[int], sizes: dict[str, int]) -> bool:
    """Return whether ``shape`` is as written; record in ``sizes`` what a name is."""
    if "..." in spec:
        dots, more = spec.index("..."), len(shape) - len(spec) + 1
        spec = [*spec[:dots], *["_"] * more, *spec[dots + 1 :]]
    if len(spec) != len(shape):
        return False
    for name, size in zip(spec, shape, strict=True):
        wanted = int(name) if name.isdigit() else sizes.setdefault(name, size)
        if name != "_" and wanted != size:
            return False
    return True


def _check(hint: Any, value: Any, name: str, sizes: dict[str, int]) -> None:
    spec = _spec(hint)
    if spec is None:
        if get_origin(hint) is tuple and any(_spec(p) for p in get_args(hint)):
            for i, (part, each) in enumerate(zip(get_args(hint), value, strict=True)):
                _check(part, each, f"{name}[{i}]", sizes)
        return
    if not isinstance(value, Tensor):
        got = type(value).__name__
        raise ShapeError(f"Expected `{name}` to be a tensor but got {got}.")
    known = {each: sizes[each] for each in spec if each in sizes and each != "_"}
    if not _fits(spec, value.shape, sizes):
        where = "".join(f", {each} = {size}" for each, size in known.items())
        raise ShapeError(
            f"Expected `{name}` to have the shape ({', '.join(spec)}){where} but got "
            f"({', '.join(map(str, value.shape))})."
        )


def checked(function: AnyFunction) -> AnyFunction:
    """Return ``function`` with a check of the shapes that its hints promise.

    A hint such as ``Annotated[Tensor, "batch 1 28 28"]`` names one size after the
    other: a number is that size, a name is the same size wherever it stands in one
    call, ``_`` is any size, ``...`` any number of sizes, and ``""`` a scalar. Hints
    of arguments, of the result, and those inside ``tuple[...]`` are checked.

    Raises:
        ShapeError: At the call, if a shape is another one.
        TypeError: At the definition, if no hint holds a shape or one cannot be read.

    Example:
        >>> import torch
        >>> PerImage = Annotated[Tensor, "batch"]
        >>> @checked
        ... def error(preds: PerImage, values: PerImage) -> Annotated[Tensor, ""]:
        ...     return (preds - values).abs().mean()
        >>> error(torch.ones(4, 1), torch.ones(4))
        Traceback (most recent call last):
        course_utils.measure.shapes.ShapeError: Expected `preds` to have the shape \
(batch) but got (4, 1).
    """
    hints = get_type_hints(function, include_extras=True)
    if not any([_well_formed(hint, name) for name, hint in hints.items()]):
        raise TypeError(
            f"Expected a shape in the hints of `{function.__name__}` but got none; "
            'write for example Annotated[Tensor, "batch 10"].'
        )
    signature = inspect.signature(function)

    @functools.wraps(function)
    def check_and_call(*args: Any, **kwargs: Any) -> Any:
        sizes: dict[str, int] = {}
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            _check(hints.get(name), value, name, sizes)
        result = function(*args, **kwargs)
        _check(hints.get("return"), result, "return", sizes)
        return result

    return check_and_call  # type: ignore[return-value]
