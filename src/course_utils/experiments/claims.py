"""A claim: one measured effect held against its threshold, shown and recorded."""

import math
import operator
from dataclasses import dataclass
from typing import Any

from course_utils.experiments import recorder
from course_utils.experiments.result import Effect

_HOLDS = {"at_least": operator.ge, "at_most": operator.le, "equals": operator.eq}


def rounded(value: float | None) -> float | None:
    """Return six digits of a number, a whole one as an int; None if it is not finite.

    Example:
        >>> rounded(0.123456789), rounded(8.0), rounded(math.nan)
        (0.123457, 8, None)
    """
    if value is None or not math.isfinite(value):
        return None
    whole = float(value).is_integer() and abs(value) < 1e15
    return int(value) if whole else float(f"{value:.6g}")


@dataclass(frozen=True)
class Claim:
    """What was promised and what was measured.

    Attributes:
        practice: Practice id, for example ``"12.1"``.
        text: The promise as a sentence, without numbers that vary from run to run.
        kind: ``"at_least"``, ``"at_most"`` or ``"equals"``.
        threshold: The bound, in the unit of ``measured``.
        holds: Whether the promise was kept, decided before ``measured`` was rounded;
            never with a measurement that is ``nan``.
        measured: The effect, in the unit that the sentence names; None if not finite.
        bad: What the bad version measured, if the claim compares two versions.
        good: What the good version measured, likewise.
        measurement: Name of what the claim compares in both versions, or ``""``.
    """

    practice: str
    text: str
    kind: str
    threshold: float
    holds: bool
    measured: float | None = None
    bad: float | None = None
    good: float | None = None
    measurement: str = ""

    def __str__(self) -> str:
        """One stable line: it changes only when the claim stops holding."""
        return f"{'✓' if self.holds else '✗'} {self.practice} {self.text}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {k: v for k, v in vars(self).items() if v not in (None, "")}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Claim":
        """Return the claim that `to_json` wrote."""
        names = ("measured", "bad", "good")
        numbers = {name: rounded(entry.get(name)) for name in names}
        threshold, holds = float(entry["threshold"]), entry["holds"] is True
        return cls(**{**entry, **numbers, "threshold": threshold, "holds": holds})


@dataclass(frozen=True)
class Pair:
    """One measurement of a contrast.

    Attributes:
        practice: Practice id.
        name: The measurement, as the contrast's table calls it.
        bad: What the bad version measured, a finite number.
        good: What the good version measured, likewise.
    """

    practice: str
    name: str
    bad: float
    good: float

    def to_json(self) -> dict[str, Any]:
        """Return all fields."""
        return vars(self)

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Pair":
        """Return the pair that `to_json` wrote, its numbers rounded."""
        numbers = {name: rounded(entry[name]) for name in ("bad", "good")}
        return cls(**{**entry, **numbers})


def _scalar(value: Any) -> float:
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

    With ``COURSE_EVIDENCE=file`` the claim is also appended to that file as one line
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
    value = _scalar(measured)
    origin = {}
    if isinstance(value, Effect):
        sides = {"bad": rounded(value.bad), "good": rounded(value.good)}
        origin = {**sides, "measurement": value.name}
    holds = bool(_HOLDS[kind](value, threshold))
    made = Claim(practice, text, kind, threshold, holds, rounded(value), **origin)
    print(made)
    recorder.save(made.to_json())
