"""Runs that are comparable, group by group, and a claim's standing over all groups."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from course_utils.authoring.evidence.summary import Summary, summarize
from course_utils.authoring.evidence.tasks import Outcome, Task

Groups = dict[str, list[Outcome]]


def group(task: Task) -> str:
    """Return what a run's numbers are comparable with: its data, and its cores if few.

    Example:
        >>> group(Task("12", 0, "embedded")), group(Task("12", 0, "mnist:all", cores=1))
        ('embedded', 'mnist, all on 1 core')
    """
    cores = f" on {task.cores} core{'s' * (task.cores > 1)}" if task.cores else ""
    return (task.data or "default").replace(":", ", ") + cores


def groups_of(outcomes: Iterable[Outcome]) -> Groups:
    """Return the outcomes of each group; the group of most runs comes first."""
    groups: Groups = {}
    for outcome in outcomes:
        groups.setdefault(group(outcome.task), []).append(outcome)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


@dataclass(frozen=True)
class Standing:
    """One claim over all groups.

    Attributes:
        practice: Practice id.
        text: The promise as a sentence.
        by_group: Its summary in each group that made it.
        held: Number of runs in which it was made and kept.
        runs: Number of runs of its lesson, also of groups that never made it.
    """

    practice: str
    text: str
    by_group: Mapping[str, Summary]
    held: int
    runs: int

    @property
    def holds(self) -> bool:
        """Whether it was kept in every run."""
        return self.held == self.runs

    @property
    def margin(self) -> float | None:
        """The smallest margin of all groups; None if none has one."""
        margins = [each.margin for each in self.by_group.values()]
        return min((each for each in margins if each is not None), default=None)


def standings(groups: Groups) -> list[Standing]:
    """Return the standing of each claim that a run of these groups made."""
    found: dict[tuple[str, str], dict[str, Summary]] = {}
    for name, runs in groups.items():
        for each in summarize(runs):
            found.setdefault((each.practice, each.text), {})[name] = each
    count = sum(len(runs) for runs in groups.values())
    return [
        Standing(*claim, by_group, sum(s.held for s in by_group.values()), count)
        for claim, by_group in found.items()
    ]
