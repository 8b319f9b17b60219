"""A claim: one measured effect held against its threshold, shown and recorded."""

import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from course_utils import settings
from course_utils.experiments import recorder
from course_utils.experiments.result import Effect

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "at_least": lambda measured, bound: measured >= bound,
    "at_most": lambda measured, bound: measured <= bound,
    "equals": lambda measured, bound: measured == bound,
}
_PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics")


@dataclass(frozen=True)
class Claim:
    """What was promised and what was measured.

    Attributes:
        practice: Practice id, for example ``"12.1"``.
        text: The promise as a sentence, without numbers that vary from run to run.
        measured: The effect, in the unit that the sentence names.
        kind: ``"at_least"``, ``"at_most"`` or ``"equals"``.
        threshold: The bound, in the unit of ``measured``.
    """

    practice: str
    text: str
    measured: float
    kind: str
    threshold: float

    @property
    def holds(self) -> bool:
        """Whether the promise was kept; never with a measurement that is ``nan``."""
        return bool(_HOLDS[self.kind](self.measured, self.threshold))

    def __str__(self) -> str:
        """One stable line: it changes only when the claim stops holding."""
        return f"{'✓' if self.holds else '✗'} {self.practice} {self.text}"

    def record(self) -> dict[str, Any]:
        """Return everything that somebody who doubts the claim wants to know."""
        effect = self.measured if isinstance(self.measured, Effect) else None
        return {
            "practice": self.practice,
            "text": self.text,
            "measured": _finite(self.measured),
            "bad": _finite(effect.bad) if effect is not None else None,
            "good": _finite(effect.good) if effect is not None else None,
            "measurement": effect.name if effect is not None else "",
            "threshold": {self.kind: self.threshold},
            "holds": self.holds,
            "seed": settings.seed(),
            "data": os.environ.get("COURSE_DATA", "default"),
            "versions": _versions(),
        }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **versions}


def _number(value: Any) -> float:
    """Return a Python number, with its origin if it is an `Effect`."""
    if hasattr(value, "item"):  # a scalar of torch or NumPy
        value = value.item()
    if isinstance(value, int | float):
        return value
    raise TypeError(
        f"Expected `measured` to be a number but got {type(value).__name__}; pass "
        "result.gain(...), result.times(...) or result.bad.number(...)."
    )


def claim(practice: str, text: str, measured: float, **bound: float) -> None:
    """Print whether ``measured`` keeps the promise; a broken one stops nothing.

    With ``COURSE_EVIDENCE=file`` it also appends its record to that file as one line
    of JSON; a file that cannot be written costs one printed sentence.

    Args:
        practice: Practice id, for example ``"12.1"``.
        text: The promise as a sentence, without numbers that vary from run to run.
        measured: The effect, best as `Contrast.gain` or `Contrast.times` returned it.
        **bound: Exactly one of ``at_least``, ``at_most``, ``equals``.

    Raises:
        TypeError: If ``measured`` is not a number.
        ValueError: If not exactly one known bound is given.

    Example:
        >>> claim("12.1", "the gain is large", 0.75, at_least=0.5)
        ✓ 12.1 the gain is large
    """
    if len(bound) != 1 or not bound.keys() <= _HOLDS.keys():
        got = ", ".join(bound) or "none of them"
        raise ValueError(
            f"Expected exactly one of at_least, at_most, equals but got {got}."
        )
    [(kind, threshold)] = bound.items()
    made = Claim(practice, text, _number(measured), kind, threshold)
    print(made)
    recorder.keep(made.record)
