"""The result of a contrast: what a bad and a good version measured."""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from course_utils.formatting import decimal, html_table, text_table
from course_utils.library_messages import Message

MOST_MESSAGES = 4  # of one version; the rest is counted
Value = float | int | bool | str | tuple[float, ...]


_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "at_least": operator.ge,
    "at_most": operator.le,
    "above": operator.gt,
    "below": operator.lt,
    "equals": operator.eq,
}


@dataclass(frozen=True)
class Comparison:
    """A measurement held against a bound; true if it keeps it.

    Attributes:
        measured: What was measured; never kept if it is ``nan``.
        kind: ``"at_least"``, ``"at_most"``, ``"above"``, ``"below"`` or ``"equals"``.
        bound: The bound, in the unit of ``measured``.
    """

    measured: "Measured"
    kind: str
    bound: float

    def __post_init__(self) -> None:
        """Refuse a kind that is unknown."""
        if self.kind not in _HOLDS:
            known = ", ".join(_HOLDS)
            raise ValueError(f"Expected one of {known} but got {self.kind}.")

    def __bool__(self) -> bool:
        """Whether the bound is kept."""
        return _HOLDS[self.kind](float(self.measured), float(self.bound))


def _held_against(kind: str) -> Any:
    """Return a method of `Measured` that holds it against a bound of this kind."""

    def compare(self: "Measured", bound: object) -> Any:
        number = isinstance(bound, int | float)
        return Comparison(self, kind, bound) if number else NotImplemented

    return compare


def _computed(operate: Callable[[float, float], float]) -> Any:
    """Return a method of `Measured` that computes another one."""
    return lambda self, other: Measured(operate(float(self), float(other)))


class Measured(float):
    """A measured number; compared with a bound, it returns a `Comparison` for `claim`.

    Sums, differences, products and ratios of it are measured numbers, too; a ratio to
    zero is ``nan``.

    Attributes:
        name: The measurement; ``""`` if it is computed from several.
        bad: What the bad version measured, if this compares both versions, else None.
        good: What the good version measured, likewise.

    Example:
        >>> bool(Measured(0.5) >= 0.4), bool(Measured(0.5) - 0.2 == 0.5)
        (True, False)
    """

    name: str
    bad: float | None
    good: float | None

    def __new__(
        cls,
        value: float,
        name: str = "",
        bad: float | None = None,
        good: float | None = None,
    ) -> "Measured":
        """Return ``value`` with its origin."""
        measured = super().__new__(cls, value)
        measured.name, measured.bad, measured.good = name, bad, good
        return measured

    __hash__ = float.__hash__

    __ge__, __le__ = _held_against("at_least"), _held_against("at_most")
    __gt__, __lt__ = _held_against("above"), _held_against("below")
    __eq__ = _held_against("equals")
    __add__ = __radd__ = _computed(operator.add)
    __mul__ = __rmul__ = _computed(operator.mul)
    __sub__, __rsub__ = _computed(operator.sub), _computed(lambda a, b: b - a)
    __truediv__ = _computed(lambda a, b: a / b if b else math.nan)
    __rtruediv__ = _computed(lambda a, b: b / a if a else math.nan)


@dataclass(frozen=True)
class VersionResult:
    """One version's outcome: its measurements, or the error that stopped it.

    Attributes:
        measured: Name to value. A float is a measurement, an int a fact, a tuple a
            curve (one number per step) that only figures show.
        error: Type and first line of the exception, ``""`` if there was none.
        extras: What figures need besides numbers, for example images.
        said: The warnings of Lightning, PyTorch and others meanwhile.
    """

    measured: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    said: tuple[Message, ...] = ()

    def __getitem__(self, name: str) -> Any:
        """Return a measurement, a number as `Measured`; ``nan`` after an error.

        Raises:
            ValueError: If the version measured nothing of that name, and no error
                stopped it.
        """
        value = self.measured.get(name, math.nan)
        if name not in self.measured and not self.error:
            raise ValueError(_unknown(name, self.measured))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return Measured(value, name) if is_number else value

    def number(self, name: str) -> float:
        """Return a measurement as a float, ``nan`` if it did not get there."""
        value = self.measured.get(name, math.nan)
        return float(value) if isinstance(value, int | float) else math.nan

    def curve(self, name: str) -> tuple[float, ...]:
        """Return a measurement of many numbers, ``()`` if it did not get there."""
        value = self.measured.get(name, ())
        return tuple(value) if isinstance(value, list | tuple) else ()

    def says(self, text: str) -> bool:
        """Return whether one of the warnings, as it is shown, contains ``text``."""
        return any(text in message.text for message in self.said)


@dataclass(frozen=True)
class Contrast:
    """Both outcomes of one practice; shows itself as a table.

    Attributes:
        practice: Practice id, for example ``"12.1"``.
        bad: Outcome of the bad version.
        good: Outcome of the good version.
        names: What the two versions are called in tables and legends.
    """

    practice: str
    bad: VersionResult
    good: VersionResult
    names: tuple[str, str] = ("bad", "good")

    @property
    def versions(self) -> dict[str, VersionResult]:
        """Both outcomes by their names, bad first."""
        return dict(zip(self.names, (self.bad, self.good), strict=True))

    @property
    def headings(self) -> tuple[str, str, str]:
        """Headings of the table's columns."""
        pairs = zip(("bad", "good"), self.names, strict=True)
        bad, good = (r if r == name else f"{r}: {name}" for r, name in pairs)
        return "", bad, good

    def gain(self, name: str) -> Measured:
        """Return good minus bad, in the unit of the measurement ``name``."""
        bad, good = self._numbers(name)
        return Measured(good - bad, name, bad, good)

    def times(self, name: str) -> Measured:
        """Return how many times larger the bad version's ``name`` is."""
        bad, good = self._numbers(name)
        return Measured(bad / good if good else math.nan, name, bad, good)

    def numbers(self) -> dict[str, tuple[float, float]]:
        """Return what both versions measured as a finite number: bad, good."""
        pairs = {
            name: (self.bad.number(name), self.good.number(name))
            for name in self.bad.measured
            if not isinstance(self.bad.measured[name], bool)
        }
        return {n: p for n, p in pairs.items() if all(map(math.isfinite, p))}

    def messages(self) -> str:
        """Return what Lightning, PyTorch and others said during each version."""
        if self.bad.said == self.good.said:
            if not self.bad.said:
                return "Lightning says nothing to either version."
            return f"both versions:{_messages(self.bad.said)}"
        bad, good = self.names
        return f"{bad}:{_messages(self.bad.said)}\n{good}:{_messages(self.good.said)}"

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
            raise ValueError(_unknown(name, known))
        return self.bad.number(name), self.good.number(name)

    def __str__(self) -> str:
        """Return the table as aligned text."""
        return text_table(self.headings, self.rows())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return html_table(self.headings, self.rows())


def _unknown(name: str, known: Mapping[str, Value]) -> str:
    return (
        f"Expected a measurement out of {', '.join(known) or 'none'} but got {name!r}."
    )


def _messages(said: tuple[Message, ...]) -> str:
    if not said:
        return " Lightning says nothing."
    if len(said) == 1:
        return f" {said[0]}"
    lines = [str(message) for message in said[:MOST_MESSAGES]]
    if more := len(said) - len(lines):
        lines.append(f"and {more} more")
    return "".join(f"\n    {line}" for line in lines)


def _text(result: VersionResult, name: str) -> str:
    value = result.measured.get(name, "–")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return decimal(value) if isinstance(value, float) else " ".join(str(value).split())
