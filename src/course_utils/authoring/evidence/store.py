"""The published record: every claim and every contrast in every run, in one file.

It ships with the course, so that a lesson can say how sure we are. Sentences and names
stand in it once, runs refer to them by their place. Six digits of a measurement are
kept; whether a claim held was decided before.
"""

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from course_utils.authoring.evidence.claim_records import Pair, Record
from course_utils.authoring.evidence.tasks import Outcome, Task

FOLDER = Path("src", "course_utils", "records")
NAME = "evidence.json"


def _short(value: float | None) -> float | None:
    if value is None:
        return None
    whole = float(value).is_integer() and abs(value) < 1e15
    return int(value) if whole else float(f"{value:.6g}")


class _Places:
    """Entries numbered from 0 in the order in which they first come."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self._known: dict[str, int] = {}

    def of(self, *entry: Any) -> int:
        key = json.dumps(entry, sort_keys=True)
        if key not in self._known:
            self._known[key] = len(self.entries)
            self.entries.append(entry)
        return self._known[key]


def _order(outcome: Outcome) -> tuple[Any, ...]:
    task = outcome.task
    return (task.lesson, task.data, task.cores, task.seed)


def _claim_cells(claim: Record, claims: _Places) -> list[Any]:
    place = claims.of(
        claim.practice, claim.text, claim.kind, claim.threshold, claim.measurement
    )
    numbers = map(_short, (claim.measured, claim.bad, claim.good))
    return [place, *numbers, int(claim.holds)]


def _pair_cells(pair: Pair, measurements: _Places) -> list[Any]:
    place = measurements.of(pair.practice, pair.name)
    return [place, _short(pair.bad), _short(pair.good)]


def pack(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Return the outcomes as what JSON can hold, without repeating a sentence."""
    tables = {
        name: _Places() for name in ("claims", "measurements", "versions", "machines")
    }
    runs = [
        {
            **asdict(outcome.task),
            "date": outcome.date,
            "seconds": outcome.seconds,
            "versions": tables["versions"].of(outcome.versions),
            "machine": tables["machines"].of(outcome.machine),
            "failure": outcome.failure,
            "claims": [_claim_cells(c, tables["claims"]) for c in outcome.claims],
            "pairs": [_pair_cells(p, tables["measurements"]) for p in outcome.pairs],
        }
        for outcome in sorted(outcomes, key=_order)
    ]
    return {**{name: table.entries for name, table in tables.items()}, "runs": runs}


def _claim(entry: Sequence[Any], tables: dict[str, Any], seed: int) -> Record:
    place, measured, bad, good, holds = entry
    practice, text, kind, threshold, measurement = tables["claims"][place]
    return Record(
        practice,
        text,
        measured,
        bad,
        good,
        kind,
        threshold,
        bool(holds),
        seed,
        measurement,
    )


def unpack(packed: dict[str, Any]) -> tuple[Outcome, ...]:
    """Return the outcomes that `pack` packed, in its order."""
    names = tuple(Task.__dataclass_fields__)
    return tuple(
        Outcome(
            task=Task(**{name: run[name] for name in names}),
            claims=tuple(_claim(each, packed, run["seed"]) for each in run["claims"]),
            pairs=tuple(
                Pair(*packed["measurements"][place], bad, good)
                for place, bad, good in run["pairs"]
            ),
            failure=run["failure"],
            seconds=run["seconds"],
            versions=packed["versions"][run["versions"]][0],
            machine=packed["machines"][run["machine"]][0],
            date=run["date"],
        )
        for run in packed["runs"]
    )


def to_text(outcomes: Iterable[Outcome]) -> str:
    """Return the file's content, one run a line, so that a change shows as such."""
    packed = pack(outcomes)
    parts = []
    for name, entries in packed.items():
        lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in entries)
        parts.append(f"{json.dumps(name)}: [\n{lines}\n]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


@functools.cache
def load() -> tuple[Outcome, ...]:
    """Return the outcomes that ship with the course; none before any was published."""
    file = resources.files("course_utils").joinpath("records", NAME)
    if not file.is_file():
        return ()
    return unpack(json.loads(file.read_text("utf-8")))
