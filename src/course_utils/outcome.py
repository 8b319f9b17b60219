"""The result of a contrast: what a bad and a good version measured."""

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
class Side:
    """One version's outcome: its measurements, or the error that stopped it.

    Attributes:
        measured: Name to value. A float is a measurement, an int a fact, a tuple a
            curve (one number a step) that only figures show.
        error: Type and first line of the exception, ``""`` if there was none.
        extras: What figures need besides numbers, for example images.
    """

    measured: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """Return a measurement as a float, ``nan`` if this side did not get there."""
        value = self.measured.get(name, math.nan)
        return float(value) if isinstance(value, int | float) else math.nan


@dataclass(frozen=True)
class Contrast:
    """Both outcomes of one practice; shows itself as a table.

    Attributes:
        practice: Practice id, for example ``"12.1"``.
        bad: Outcome of the bad version.
        good: Outcome of the good version.
    """

    practice: str
    bad: Side
    good: Side

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
        names = dict.fromkeys([*self.bad.measured, *self.good.measured])
        rows = [
            (name, _text(self.bad, name), _text(self.good, name))
            for name in names
            if not _is_curve(self, name)
        ]
        if self.bad.error or self.good.error:
            rows.append(("stopped by", self.bad.error or "–", self.good.error or "–"))
        return rows

    def _numbers(self, name: str) -> tuple[float, float]:
        known = dict.fromkeys([*self.bad.measured, *self.good.measured])
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


def _is_curve(contrast: Contrast, name: str) -> bool:
    sides = (contrast.bad, contrast.good)
    return any(isinstance(side.measured.get(name), tuple) for side in sides)


def _text(side: Side, name: str) -> str:
    value = side.measured.get(name, "–")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return decimal(value) if isinstance(value, float) else " ".join(str(value).split())


def decimal(value: float) -> str:
    """Return a measurement as text that holds a decimal point, unless nan or inf.

    Example:
        >>> decimal(0.91234), decimal(1234.5678), decimal(2.0), decimal(1.5e-7)
        ('0.912', '1234.6', '2.000', '1.5e-07')
    """
    if value == 0:
        return "0.000"  # also for -0.0
    if not 1e-3 <= abs(value) < 1e9:
        return f"{value:.1e}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


def text_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return rows as left-aligned columns."""
    columns = zip(header, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def html_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return rows as an HTML table; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
