"""A claim: one measured effect held against its threshold, shown and recorded."""

import math
from dataclasses import dataclass
from typing import Any

from course_utils.experiments import recorder
from course_utils.experiments.result import Comparison, Measured
from course_utils.formatting import wrapped

# What every practice claims of its guard.
GUARD_HELD = "the guard stops the bad version and lets the good one pass"


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
        kind: ``"at_least"``, ``"at_most"``, ``"above"``, ``"below"`` or ``"equals"``.
        threshold: The bound, in the unit of ``measured``.
        holds: Whether the promise was kept, decided before ``measured`` was rounded;
            never with a measurement that is ``nan``.
        measured: The effect, in the unit that the sentence names; None if not finite.
        bad: What the bad version measured, if the claim compares two versions.
        good: What the good version measured, likewise.
        measurement: Name of the contrast's measurement that it is made of, or ``""``.
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

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Pair":
        """Return the pair with these fields, its numbers rounded."""
        numbers = {name: rounded(entry[name]) for name in ("bad", "good")}
        return cls(**{**entry, **numbers})


def _comparison(measured: Any, bound: dict[str, float]) -> Comparison:
    """Return what `claim` was given as one comparison.

    Raises:
        TypeError: If ``measured`` is neither a comparison nor a number.
        ValueError: If there is not exactly one bound.
    """
    # An error stopped the version before it measured what is true or false.
    stopped = isinstance(measured, float) and math.isnan(measured)
    if not bound and (isinstance(measured, bool) or stopped):
        bound = {"equals": True}
    compared = isinstance(measured, Comparison)
    if len(bound) + compared != 1:
        got = ", ".join([*(["a comparison"] if compared else []), *bound])
        raise ValueError(
            "Expected a comparison, as in `result.bad['updates'] == 32`, or one bound "
            f"such as at_least=0.5 but got {got or 'neither'}."
        )
    if isinstance(measured, Comparison):
        return measured
    [(kind, threshold)] = bound.items()
    value = measured.item() if hasattr(measured, "item") else measured
    if not isinstance(value, int | float):
        raise TypeError(
            f"Expected `measured` to be a number but got {type(value).__name__}; pass "
            "result.gain(...), result.times(...) or result.bad[...]."
        )
    number = value if isinstance(value, Measured) else Measured(value)
    return Comparison(number, kind, threshold)


def claim(
    practice: str, text: str, measured: float | Comparison, **bound: float
) -> None:
    """Print whether a measurement keeps the promise; a broken one stops nothing.

    With ``COURSE_EVIDENCE=file`` the claim is also appended to that file as one line
    of JSON; a file that cannot be written costs one printed sentence.

    Args:
        practice: Practice id, for example ``"12.1"``.
        text: The promise as a sentence, without numbers that vary from run to run.
        measured: A comparison of what a contrast measured, ``result.gain("f1") >= .5``
            or ``result.bad["updates"] == 32``; or something that is true or false; or
            a number, with a bound beside it.
        **bound: For a number: one of ``at_least``, ``at_most``, ``above``, ``below``,
            ``equals``.

    Raises:
        TypeError: If ``measured`` is neither a comparison nor a number.
        ValueError: If not exactly one known bound is given.

    Example:
        >>> claim("12.1", "the gain is large", 0.75, at_least=0.5)
        ✓ 12.1 the gain is large
        >>> claim("12.1", "the gain is large", Measured(0.25) >= 0.5)
        ✗ 12.1 the gain is large
    """
    found = _comparison(measured, bound)
    value = found.measured
    sides = {"bad": rounded(value.bad), "good": rounded(value.good)}
    kept, threshold, name = bool(found), float(found.bound), value.name
    made = Claim(
        practice, text, found.kind, threshold, kept, rounded(value), **sides,
        measurement=name,
    )  # fmt: skip
    print(wrapped(str(made), indent="  "))
    recorder.save(made.to_json())
