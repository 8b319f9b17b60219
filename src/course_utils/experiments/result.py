"""The result of a contrast: what a bad and a good version measured."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from course_utils.formatting import decimal, html_table, text_table

Value = float | int | bool | str | tuple[float, ...]


class Effect(float):
    """A difference between two versions; a number that remembers where it is from.

    Attributes:
        name: The measurement.
        bad: What the bad version measured.
        good: What the good version measured.
    """

    name: str
    bad: float
    good: float

    def __new__(cls, value: float, name: str, bad: float, good: float) -> "Effect":
        """Return ``value`` with its origin."""
        effect = super().__new__(cls, value)
        effect.name, effect.bad, effect.good = name, bad, good
        return effect


@dataclass(frozen=True)
class VersionResult:
    """One version's outcome: its measurements, or the error that stopped it.

    Attributes:
        measured: Name to value. A float is a measurement, an int a fact, a tuple a
            curve (one number per step) that only figures show.
        error: Type and first line of the exception, ``""`` if there was none.
        extras: What figures need besides numbers, for example images.
    """

    measured: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """Return a measurement as a float, ``nan`` if it did not get there."""
        value = self.measured.get(name, math.nan)
        return float(value) if isinstance(value, int | float) else math.nan

    def curve(self, name: str) -> tuple[float, ...]:
        """Return a measurement of many numbers, ``()`` if it did not get there."""
        value = self.measured.get(name, ())
        return tuple(value) if isinstance(value, list | tuple) else ()


@dataclass(frozen=True)
class Contrast:
    """Both outcomes of one practice; shows itself as a table.

    Attributes:
        practice: Practice id, for example ``"12.1"``.
        bad: Outcome of the bad version.
        good: Outcome of the good version.
    """

    practice: str
    bad: VersionResult
    good: VersionResult

    @property
    def versions(self) -> dict[str, VersionResult]:
        """Both outcomes by their names, bad first."""
        return {"bad": self.bad, "good": self.good}

    def gain(self, name: str) -> Effect:
        """Return good minus bad, in the unit of the measurement ``name``."""
        bad, good = self._numbers(name)
        return Effect(good - bad, name, bad, good)

    def times(self, name: str) -> Effect:
        """Return how many times larger the bad version's ``name`` is."""
        bad, good = self._numbers(name)
        return Effect(bad / good if good else math.nan, name, bad, good)

    def numbers(self) -> dict[str, tuple[float, float]]:
        """Return what both versions measured as a finite number: bad, good."""
        pairs = {
            name: (self.bad.number(name), self.good.number(name))
            for name in self.bad.measured
            if not isinstance(self.bad.measured[name], bool)
        }
        return {n: p for n, p in pairs.items() if all(map(math.isfinite, p))}

    def rows(self) -> list[tuple[str, str, str]]:
        """Return the table: measurement, bad, good, each as text."""
        both = self.bad, self.good
        rows = [
            (name, _text(self.bad, name), _text(self.good, name))
            for name in {**self.bad.measured, **self.good.measured}
            if not any(isinstance(each.measured.get(name), tuple) for each in both)
        ]
        if self.bad.error or self.good.error:
            rows.append(("stopped by", self.bad.error or "–", self.good.error or "–"))
        return rows

    def _numbers(self, name: str) -> tuple[float, float]:
        known = {**self.bad.measured, **self.good.measured}
        stopped = self.bad.error or self.good.error  # it may have measured the name
        if name not in known and not stopped:
            raise ValueError(
                f"Expected a measurement out of {', '.join(known) or 'none'} "
                f"but got {name!r}."
            )
        return self.bad.number(name), self.good.number(name)

    def __str__(self) -> str:
        """Return the table as aligned text."""
        return text_table(("", "bad", "good"), self.rows())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return html_table(("", "bad", "good"), self.rows())


def _text(result: VersionResult, name: str) -> str:
    value = result.measured.get(name, "–")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return decimal(value) if isinstance(value, float) else " ".join(str(value).split())
