"""Claims and contrasts summed up over many runs."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from course_utils.authoring.evidence.statistics import (
    LOWER,
    Interval,
    margin,
    median_interval,
)
from course_utils.authoring.evidence.tasks import Outcome

Groups = dict[str, list[Outcome]]
SIGNS = {"at_least": "≥", "above": ">", "at_most": "≤", "below": "<", "equals": "="}


def _grouped(outcomes: Iterable[Outcome], key: Callable[[Outcome], str]) -> Groups:
    groups: Groups = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return groups


def by_lesson(outcomes: Iterable[Outcome]) -> Groups:
    """Return the outcomes of each lesson."""
    return _grouped(outcomes, lambda outcome: outcome.task.lesson)


def data_of(outcome: Outcome) -> str:
    """Return the name of the data that a run's numbers depend on.

    Example:
        >>> from course_utils.authoring.evidence.tasks import Task
        >>> data_of(Outcome(Task("12", 0, "mnist:all")))
        'mnist, all'
    """
    return (outcome.task.data or "default").replace(":", ", ")


def by_data(outcomes: Iterable[Outcome]) -> Groups:
    """Return the outcomes on each data set; the one with most runs comes first."""
    groups = _grouped(outcomes, data_of)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


@dataclass(frozen=True)
class Summary:
    """One claim over many runs of its lesson.

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
        worst = self.smallest if kind in LOWER else self.largest
        return margin(worst, kind, threshold)


def summarize(outcomes: Sequence[Outcome]) -> tuple[Summary, ...]:
    """Return one summary for each claim, in the order in which they were first made.

    Args:
        outcomes: Runs of one lesson; one that broke off before a claim did not keep it.
    """
    claims = [claim for outcome in outcomes for claim in outcome.claims]
    summaries = []
    for practice, text in dict.fromkeys((c.practice, c.text) for c in claims):
        by_run = [
            [c for c in outcome.claims if (c.practice, c.text) == (practice, text)]
            for outcome in outcomes
        ]
        group = [claim for run in by_run for claim in run]
        effects = [each.measured for each in group if each.measured is not None]
        summaries.append(
            Summary(
                practice,
                text,
                min(effects, default=None),
                statistics.median(effects) if effects else None,
                max(effects, default=None),
                tuple(dict.fromkeys((each.kind, each.threshold) for each in group)),
                sum(bool(run) and all(c.holds for c in run) for run in by_run),
                len(outcomes),
            )
        )
    return tuple(summaries)


@dataclass(frozen=True)
class PairedDifference:
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


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def paired_differences(outcomes: Iterable[Outcome]) -> tuple[PairedDifference, ...]:
    """Return one row for each measurement that a contrast of these runs compares."""
    sides: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for outcome in outcomes:
        for pair in outcome.pairs:
            key = (pair.practice, pair.name)
            sides.setdefault(key, []).append((pair.bad, pair.good))
    rows = []
    for key, both in sides.items():
        bad, good = zip(*both, strict=True)
        differences = [good - bad for bad, good in both]
        found = median_interval(differences)
        signs = sum(_sign(each) == _sign(found.median) for each in differences)
        medians = statistics.median(bad), statistics.median(good)
        rows.append(PairedDifference(*key, *medians, found, signs, len(both)))
    return tuple(rows)
