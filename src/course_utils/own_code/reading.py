"""Read files and yield what the rules find in them."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from course_utils.own_code.classes import Project
from course_utils.own_code.registry import Edit, Rule, Seen, rules
from course_utils.own_code.report import Finding, Report, Unasked
from course_utils.own_code.source import Source, read_source
from course_utils.own_code.syntax import last

_SKIPPED = {"node_modules", "site-packages", "__pycache__", "build", "dist"}


def files_in(place: Path) -> list[Path]:
    """Return a file itself, or the ``.py`` and ``.ipynb`` files of a folder.

    Hidden folders, environments and caches are left out.
    """
    if place.is_file():
        return [place]
    found = [*place.rglob("*.py"), *place.rglob("*.ipynb")]
    return sorted(
        path for path in found if not _skipped(path.relative_to(place), place)
    )


def _skipped(inner: Path, place: Path) -> bool:
    folders = inner.parts[:-1]
    hidden = any(part.startswith(".") or part in _SKIPPED for part in folders)
    return hidden or any(
        (place.joinpath(*folders[: i + 1]) / "pyvenv.cfg").is_file()
        for i in range(len(folders))
    )


def shown(path: Path) -> str:
    """Return a path as it is shown: relative to the working folder if inside it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _sources(paths: Iterable[Path], report: Report) -> Iterator[Source]:
    for path in paths:
        try:
            yield read_source(path, shown(path))
        except ValueError as error:
            report.unasked.append(Unasked("", str(error), shown(path), stopped=True))


def finding(rule: Rule, seen: Seen, source: Source) -> Finding:
    """Return what a rule saw as plain data."""
    line = getattr(seen.node, "lineno", 0)
    cell, inner = source.place(line)
    return Finding(
        rule.practice,
        seen.severity or rule.severity,
        source.name,
        inner,
        seen.seen,
        seen.remedy,
        column=getattr(seen.node, "col_offset", -1) + 1,
        cell=cell,
        fixable=seen.edit is not None,
    )


def is_ignored(source: Source, seen: Seen, practice: str) -> bool:
    """Return whether a comment at the place answers this practice."""
    from course_utils.own_code.settings import matches

    first = getattr(seen.node, "lineno", 0)
    lines = {first, getattr(seen.node, "end_lineno", first) if _small(seen) else first}
    patterns = [p for line in lines for p in source.ignored.get(line, ())]
    return matches(practice, patterns)


def _small(seen: Seen) -> bool:
    # A comment behind the last line of a call counts; one inside a class does not.
    return not hasattr(seen.node, "body")


def without_ignored(report: Report) -> Report:
    """Return a report without the findings that a comment at their line answers."""
    from course_utils.own_code.settings import matches

    kept = []
    for each in report.findings:
        try:
            ignored = read_source(Path(each.file)).ignored
        except ValueError:
            ignored = {}
        if not matches(each.practice, ignored.get(each.line, ())):
            kept.append(each)
    gone = len(report.findings) - len(kept)
    return replace(report, findings=kept, ignored=report.ignored + gone)


def applied(
    project: Project, wanted: Callable[[str], bool] = lambda practice: True
) -> Iterator[tuple[Source, Rule, Seen]]:
    """Yield what the rules see in a project's sources."""
    for source in project.sources:
        for rule in rules():
            if wanted(rule.practice):
                yield from ((source, rule, seen) for seen in rule.read(source, project))


def project_of(
    paths: Sequence[Path], report: Report, beside: Sequence[Path] = ()
) -> Project:
    """Return the project that some files make; what cannot be read is reported.

    Args:
        paths: Files to examine.
        report: Gets what cannot be read.
        beside: Files in which only base classes are looked up.
    """
    known = {path.resolve() for path in paths}
    others = [path for path in beside if path.resolve() not in known]
    sources = [*_sources(paths, report)]
    return Project(sources, _with_bases(sources, others))


def _bases_of(sources: Iterable[Source]) -> set[str]:
    nodes = (node for source in sources for node in source.nodes)
    classes = (node for node in nodes if isinstance(node, ast.ClassDef))
    return {last(base) for each in classes for base in each.bases} - {""}


def _with_bases(sources: Iterable[Source], others: Iterable[Path]) -> list[Source]:
    """Return those of the other files that define a base class, directly or not."""
    left = {path: path.read_text("utf-8", errors="replace") for path in others}
    found: list[Source] = []
    wanted = _bases_of(sources)
    while wanted:
        defines = re.compile(rf"^class ({'|'.join(map(re.escape, wanted))})\b", re.M)
        hits = [path for path, text in left.items() if defines.search(text)]
        new = [*_sources(hits, Report())]
        left = {path: text for path, text in left.items() if path not in hits}
        found += new
        wanted = _bases_of(new)
    return found


def read(
    paths: Sequence[Path],
    wanted: Callable[[str], bool] = lambda practice: True,
    beside: Sequence[Path] = (),
) -> tuple[Report, list[tuple[Source, Edit]]]:
    """Read files and return what was found, and how it can be repaired safely.

    Args:
        paths: ``.py`` and ``.ipynb`` files.
        wanted: Which practices to look for.
        beside: Files in which only base classes are looked up.
    """
    report = Report()
    edits: list[tuple[Source, Edit]] = []
    project = project_of(paths, report, beside)
    for source, rule, seen in applied(project, wanted):
        if is_ignored(source, seen, rule.practice):
            report.ignored += 1
            continue
        report.findings.append(finding(rule, seen, source))
        if seen.edit:
            edits.append((source, seen.edit))
    return report, edits
