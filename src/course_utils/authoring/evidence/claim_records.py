"""What one kernel recorded: its claims, and what its contrasts measured in pairs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """One claim of one run, as `course_utils.experiments.claims.claim` wrote it.

    Attributes:
        practice: Practice id, for example ``"12.1"``.
        text: The promise as a sentence.
        measured: The effect, in the unit that the sentence names; None if not finite.
        bad: What the bad version measured, if the claim compares two versions.
        good: What the good version measured, likewise.
        kind: ``"at_least"``, ``"at_most"`` or ``"equals"``.
        threshold: The bound, in the unit of ``measured``.
        holds: Whether the promise was kept.
        seed: Seed of the run.
        measurement: Name of what the claim compares in both versions, or ``""``.
    """

    practice: str
    text: str
    measured: float | None
    bad: float | None
    good: float | None
    kind: str
    threshold: float
    holds: bool
    seed: int
    measurement: str = ""


@dataclass(frozen=True)
class Pair:
    """One measurement of a contrast, as `contrast` wrote it.

    Attributes:
        practice: Practice id.
        name: The measurement, as the contrast's table calls it.
        bad: What the bad version measured.
        good: What the good version measured.
    """

    practice: str
    name: str
    bad: float
    good: float


@dataclass(frozen=True)
class Findings:
    """All that one kernel recorded, in order."""

    claims: tuple[Record, ...] = ()
    pairs: tuple[Pair, ...] = ()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _record(entry: dict[str, Any]) -> Record:
    [(kind, threshold)] = entry["threshold"].items()
    return Record(
        practice=entry["practice"],
        text=entry["text"],
        measured=_number(entry["measured"]),
        bad=_number(entry["bad"]),
        good=_number(entry["good"]),
        kind=kind,
        threshold=float(threshold),
        holds=entry["holds"] is True,
        seed=int(entry["seed"]),
        measurement=entry.get("measurement", ""),
    )


def _pairs(entry: dict[str, Any]) -> list[Pair]:
    return [
        Pair(entry["contrast"], str(name), float(bad), float(good))
        for name, (bad, good) in entry["measured"].items()
    ]


def read(path: Path) -> Findings:
    """Return what a file of JSON lines holds, in order; nothing if there is no file.

    Raises:
        ValueError: If a line is no record: a sum over the others would hide what it
            said.
    """
    if not path.exists():
        return Findings()
    claims, pairs = [], []
    lines = path.read_text("utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if "contrast" in entry:
                pairs += _pairs(entry)
            else:
                claims.append(_record(entry))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"Expected line {number} of {path} to be the record of a claim but got "
                f"{line[:40]!r}; remove that line, or measure again."
            ) from error
    return Findings(tuple(claims), tuple(pairs))
