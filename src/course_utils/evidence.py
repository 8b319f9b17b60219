"""What claims recorded, read back and summed up over the seeds of several runs."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """One claim of one run, as `course_utils.claims.claim` wrote it.

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


@dataclass(frozen=True)
class Summary:
    """One claim over all runs.

    Attributes:
        practice: Practice id.
        text: The promise as a sentence.
        smallest: Least finite effect, in the claim's unit; None if there is none.
        median: Median of the finite effects.
        largest: Greatest finite effect.
        bounds: The distinct pairs of kind and threshold, in order.
        held: Number of runs in which the claim was made and kept.
        runs: Number of runs in which it should have been.
    """

    practice: str
    text: str
    smallest: float | None
    median: float | None
    largest: float | None
    bounds: tuple[tuple[str, float], ...]
    held: int
    runs: int

    @property
    def holds(self) -> bool:
        """Whether the claim was kept in every run."""
        return self.held == self.runs


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _record(line: str) -> Record:
    entry = json.loads(line)
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
    )


def read(path: Path) -> tuple[Record, ...]:
    """Return the records of a file of JSON lines, in order; none if there is no file.

    Raises:
        ValueError: If a line is not a claim's record: a sum over the others would
            hide what it said.
    """
    if not path.exists():
        return ()
    records = []
    lines = path.read_text("utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(_record(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"Expected line {number} of {path} to be the record of a claim but got "
                f"{line[:40]!r}; remove that line, or measure again."
            ) from error
    return tuple(records)


def _held(records: Iterable[Record]) -> int:
    """Return the number of seeds under which every record says that it holds."""
    by_seed: dict[int, bool] = {}
    for record in records:
        by_seed[record.seed] = by_seed.get(record.seed, True) and record.holds
    return sum(by_seed.values())


def summarize(records: Iterable[Record], runs: int) -> tuple[Summary, ...]:
    """Return one summary for each claim, in the order of their first records.

    Args:
        records: Records of one lesson under several seeds.
        runs: Number of seeds; a run that broke off before a claim did not keep it.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.practice, record.text), []).append(record)
    summaries = []
    for (practice, text), group in groups.items():
        effects = [each.measured for each in group if each.measured is not None]
        summaries.append(
            Summary(
                practice,
                text,
                min(effects, default=None),
                statistics.median(effects) if effects else None,
                max(effects, default=None),
                tuple(dict.fromkeys((each.kind, each.threshold) for each in group)),
                _held(group),
                runs,
            )
        )
    return tuple(summaries)
