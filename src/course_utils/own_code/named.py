"""Read and run what is named: a module, a script, a notebook, a folder."""

from collections.abc import Mapping, Sequence
from typing import Any

from course_utils.own_code.reading import files_in, read, shown, without_ignored
from course_utils.own_code.registry import Edit
from course_utils.own_code.report import Report, Unasked, joined
from course_utils.own_code.run import ask, left_to_a_person
from course_utils.own_code.settings import Settings
from course_utils.own_code.source import Source
from course_utils.own_code.targets import Target, beside, parse, within

Edits = list[tuple[Source, Edit]]


def read_named(targets: Sequence[Target], settings: Settings) -> tuple[Report, Edits]:
    """Read targets and their data: what is found, and how it can be repaired safely.

    Raises:
        ValueError: If the settings name data that cannot be found.
    """
    every = [*targets, *([parse(settings.data)] if settings.data else [])]
    found = [path for each in every for path in files_in(each.path)]
    paths = [p for p in dict.fromkeys(found) if not settings.excludes(shown(p))]
    report, edits = read(paths, settings.wanted, [*beside(every)])
    return within(every, report), edits


def _runs(target: Target) -> bool:
    """Return whether a target can be run: a module that is named, or a script."""
    if target.path.is_dir() or (target.module and not target.attribute):
        return False
    if target.attribute:
        return True
    text = target.path.read_text("utf-8", errors="replace")
    return ".fit(" in text and "Trainer" in text


def run_named(
    targets: Sequence[Target],
    settings: Settings,
    given: Mapping[str, Any] | None = None,
) -> Report:
    """Run targets on a few batches; what cannot be run is told, with its reason.

    Args:
        targets: What to run.
        settings: Practices, data and limits.
        given: Added to each specification, as for `run.ask`.
    """
    report = Report()
    for target in targets:
        if _runs(target):
            report = joined(report, without_ignored(ask(target, settings, given)))
        else:
            reason = "read, not run: name pkg.module:Class, or a script that fits."
            report.unasked.append(Unasked("", reason, target.name))
    if any(map(_runs, targets)):
        report.unasked += left_to_a_person(settings)
    return report
