"""Claims and contrasts summed up over many runs."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from course_utils.authoring.evidence.claim_records import Record
from course_utils.authoring.evidence.statistics import Interval, margin, median_interval
from course_utils.authoring.evidence.tasks import Outcome


@dataclass(frozen=True)
class Summary:
    """One claim over all runs on one data set.

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

    @property
    def margin(self) -> float | None:
        """The room between bound and worst effect, as a share of the latter.

        None where there is no such share: see `statistics.margin`.
        """
        if self.smallest is None or self.largest is None or len(self.bounds) != 1:
            return None
        [(kind, threshold)] = self.bounds
        worst = self.smallest if kind == "at_least" else self.largest
        return margin(worst, kind, threshold)


@dataclass(frozen=True)
class Paired:
    """One measurement of a contrast over all runs on one data set.

    Attributes:
        practice: Practice id.
        name: The measurement.
        bad: Median of what the bad version measured.
        good: Median of what the good version measured.
        difference: Median of good minus bad within a run, with its interval.
        signs: Number of runs in which that difference has the median's sign.
        runs: Number of runs.
    """

    practice: str
    name: str
    bad: float
    good: float
    difference: Interval
    signs: int
    runs: int


def _held(runs: Sequence[Sequence[Record]]) -> int:
    return sum(bool(run) and all(each.holds for each in run) for run in runs)


def summarize(outcomes: Sequence[Outcome]) -> tuple[Summary, ...]:
    """Return one summary for each claim, in the order in which they were first made.

    Args:
        outcomes: Runs of one lesson; one that broke off before a claim did not keep it.
    """
    claims = [record for outcome in outcomes for record in outcome.claims]
    summaries = []
    for practice, text in dict.fromkeys((c.practice, c.text) for c in claims):
        by_run = [
            [c for c in outcome.claims if (c.practice, c.text) == (practice, text)]
            for outcome in outcomes
        ]
        group = [record for run in by_run for record in run]
        effects = [each.measured for each in group if each.measured is not None]
        summaries.append(
            Summary(
                practice,
                text,
                min(effects, default=None),
                statistics.median(effects) if effects else None,
                max(effects, default=None),
                tuple(dict.fromkeys((each.kind, each.threshold) for each in group)),
                _held(by_run),
                len(outcomes),
            )
        )
    return tuple(summaries)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _paired(practice: str, name: str, sides: Sequence[tuple[float, float]]) -> Paired:
    differences = [good - bad for bad, good in sides]
    found = median_interval(differences)
    bad, good = zip(*sides, strict=True)
    return Paired(
        practice,
        name,
        statistics.median(bad),
        statistics.median(good),
        found,
        sum(_sign(each) == _sign(found.median) for each in differences),
        len(sides),
    )


def paired(outcomes: Iterable[Outcome]) -> tuple[Paired, ...]:
    """Return one row for each measurement that a contrast of these runs compares."""
    sides: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for outcome in outcomes:
        for pair in outcome.pairs:
            key = (pair.practice, pair.name)
            sides.setdefault(key, []).append((pair.bad, pair.good))
    return tuple(_paired(*key, both) for key, both in sides.items())
