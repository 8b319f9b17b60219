"""Run questions on somebody's module, in a process of its own, within limits."""

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from course_utils import syllabus
from course_utils.own_code.limits import run_within
from course_utils.own_code.reading import shown
from course_utils.own_code.registry import run_practices
from course_utils.own_code.report import Finding, Report, Unasked
from course_utils.own_code.settings import Settings
from course_utils.own_code.targets import Target

# A share of the whole time that one question may take.
_SHARE = 0.4


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:  # the last one, if the process was killed
            return


def _collect(
    answers: Iterable[dict[str, Any]], practices: list[str], target: Target, why: str
) -> Report:
    report, place = Report(), ("", 0)
    for each in answers:
        if "subject" in each:
            place = each["file"], each["line"]
        elif "seen" in each:
            file = each["file"] or place[0]
            report.findings.append(
                Finding(
                    each["practice"],
                    each["severity"],
                    shown(Path(file)) if file else target.name,
                    each["line"] or place[1],
                    each["seen"],
                    each["remedy"],
                    how="run",
                )
            )
        elif "kept" in each:
            report.kept.append(each["kept"])
        elif "unasked" in each:
            report.unasked.append(
                Unasked(
                    each["unasked"],
                    each["reason"],
                    target.name,
                    each.get("stopped", False),
                )
            )
    if why:
        asked = {f.practice for f in report.findings} | {*report.kept}
        asked |= {u.practice for u in report.unasked}
        rest = [p for p in dict.fromkeys(practices) if p not in asked]
        report.unasked += [Unasked(p, why, target.name, stopped=True) for p in rest]
    return report


def left_to_a_person(settings: Settings) -> list[Unasked]:
    """Return the practices that neither reading nor running decides, with reasons."""
    practices = [p for lesson in syllabus.load().lessons for p in lesson.practices]
    return [
        Unasked(p.id, f"left to you: {p.checked_why}.")
        for p in practices
        if p.checked == "person" and settings.wanted(p.id)
    ]


def ask(
    target: Target, settings: Settings, given: Mapping[str, Any] | None = None
) -> Report:
    """Run every question that applies, and return what was found.

    The code runs in another process that may change no file of the user's, for at most
    ``settings.seconds``, with at most ``settings.megabytes``.

    Args:
        target: ``package.module:Class``, or a script or notebook that calls
            ``Trainer.fit``: it is run up to there.
        settings: Practices, data and limits.
        given: Added to the specification: a module and data from a notebook's kernel.
    """
    practices = [p for p in run_practices() if settings.wanted(p)]
    if not practices:
        return Report()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(os.path.realpath(name))
        file = folder / "specification.json"
        spec = {
            **{"name": target.name, "module": target.module},
            **{"attribute": target.attribute, "path": str(target.path.resolve())},
            **{"data": settings.data, "batches": settings.batches},
            **{"practices": practices, "seconds": _SHARE * settings.seconds},
            **(given or {}),
        }
        file.write_text(json.dumps(spec), "utf-8")
        command = [sys.executable, "-m", "course_utils.own_code.process", str(file)]
        why = run_within(folder, command, settings.seconds, settings.megabytes)
        answers = [*_lines(folder / "answers.jsonl")]
        if not why and {"done": True} not in answers:
            why = "its process ended before it had answered."
        return _collect(answers, practices, target, why)
