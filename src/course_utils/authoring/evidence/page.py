"""The published record as a page: claims and contrasts of every lesson, in Markdown."""

import sys
from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import chain

from course_utils import syllabus
from course_utils.authoring.evidence.confidence import headlines
from course_utils.authoring.evidence.statistics import THIN, thin
from course_utils.authoring.evidence.summary import (
    SIGNS,
    Groups,
    PairedDifference,
    Summary,
    by_data,
    by_lesson,
    data_of,
    paired_differences,
    summarize,
)
from course_utils.authoring.evidence.tasks import Outcome
from course_utils.experiments.claims import GUARD_HELD
from course_utils.formatting import markdown_table, number
from course_utils.syllabus import Lesson

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "evidence.md"
_DATA = {
    "embedded": "MNIST, handwritten digits: the 10,000 images that ship with it",
    "fashion-mnist": "Fashion-MNIST, photographs of clothes in grey",
    "fashion-mnist, all": "Fashion-MNIST, all 70,000 images",
    "cifar10": "CIFAR-10, colour photographs: drawn from a copy stored as JPEG, of "
    "30,000 of the 60,000 images, since its server could not be reached",
    "cifar10, all": "the whole of that copy",
}


def thin_reasons() -> dict[str, str]:
    """Return why a claim's margin is thin, by ``"practice sentence"``."""
    file = files("course_utils.authoring.evidence") / "thin_claims.toml"
    return tomllib.loads(file.read_text("utf-8"))


def _share(value: float | None) -> str:
    if value is None:
        return number(None)
    return f"{100 * value:.0f} %" + (" thin" if thin(value) else "")


def _range(summary: Summary | None) -> str:
    if summary is None:
        return number(None)
    ends = (summary.smallest, summary.median, summary.largest)
    return " / ".join(map(number, ends if len(set(ends)) > 1 else ends[:1]))


def _claims(groups: Groups) -> str:
    names = [f"{name} ({len(runs)})" for name, runs in groups.items()]
    header = ["practice", "claim", "bound", *names, "margin", "held"]
    on_data = [
        {(each.practice, each.text): each for each in summarize(runs)}
        for runs in groups.values()
    ]
    rows = []
    for claim in summarize([run for runs in groups.values() for run in runs]):
        if claim.text == GUARD_HELD and claim.holds:
            continue
        bounds = (f"{SIGNS[kind]} {number(bound)}" for kind, bound in claim.bounds)
        ranges = (_range(each.get((claim.practice, claim.text))) for each in on_data)
        about = [claim.practice, claim.text, " or ".join(bounds)]
        held = f"{claim.held}/{claim.runs}" + ("" if claim.holds else " **broken**")
        rows.append([*about, *ranges, _share(claim.margin), held])
    return markdown_table(header, rows)


def _interval(row: PairedDifference) -> str:
    ends = row.difference
    if ends.low == ends.high:
        return number(ends.median)
    return f"{number(ends.median)} ({number(ends.low)} to {number(ends.high)})"


def _contrasts(groups: Groups) -> list[str]:
    name, runs = next(iter(groups.items()))
    header = ["practice", "measurement", "bad", "good", "good minus bad", "same sign"]
    rows = [
        [
            row.practice,
            row.name,
            number(row.bad),
            number(row.good),
            _interval(row),
            f"{row.signs}/{row.runs}",
        ]
        for row in paired_differences(runs)
    ]
    if not rows:
        return []
    intro = f"Contrasts, {name}, {len(runs)} seeds: medians, and the paired difference."
    return [intro, markdown_table(header, rows)]


def _guards(groups: Groups) -> list[str]:
    """Return one sentence for the claims that are the same in every practice."""
    runs = [run for runs in groups.values() for run in runs]
    held = [c.practice for c in summarize(runs) if c.text == GUARD_HELD and c.holds]
    if not held:
        return []
    several = "Each of the guards" if len(held) > 1 else "The guard"
    return [
        f"{several} to take along ({', '.join(held)}) stopped the bad version and let "
        f"the good one pass in all {len(runs)} runs."
    ]


def _lesson(lesson: Lesson, groups: Groups) -> list[str]:
    return [
        f'<a id="lesson-{lesson.id}"></a>',
        f"## Lesson {lesson.id}: {lesson.title}",
        _bullets(f"**{each.id}** {each.title}" for each in lesson.practices),
        _claims(groups),
        *_guards(groups),
        *_contrasts(groups),
    ]


def _sentence(runs: Sequence[Outcome], row: PairedDifference) -> str:
    """Return the first claim that rests on a measurement, else the practice's first."""
    claims = [c for run in runs for c in run.claims if c.practice == row.practice]
    on_it = (claim for claim in claims if claim.measurement == row.name)
    return next(on_it, claims[0]).text if claims else number(None)


def _practices(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what each habit costs, one row per practice, on every data set."""
    groups = by_data(outcomes)
    first, *others = groups
    found = headlines(groups[first])
    rows = []
    for lesson in syllabus.load().lessons:
        for practice in lesson.practices:
            row = found.get(practice.id)
            if row is None:
                continue
            elsewhere = [
                next(
                    (
                        f"{number(each.difference.median)}, {each.signs}/{each.runs}"
                        for each in paired_differences(groups[name])
                        if (each.practice, each.name) == (row.practice, row.name)
                    ),
                    number(None),
                )
                for name in others
            ]
            link = f"[{practice.id}](#lesson-{lesson.id}) {practice.title}"
            sides = f"{row.name}: {number(row.bad)}, {number(row.good)}"
            signs = f"{row.signs}/{row.runs}"
            seen = _sentence(groups[first], row)
            rows.append([link, seen, sides, _interval(row), signs, *elsewhere])
    if not rows:
        return []
    measured = ["measured: bad, good", "good minus bad", "same sign"]
    header = ["practice", "what was seen", *measured]
    return ["## What each habit costs", markdown_table(header + others, rows)]


def _seeds(runs: Sequence[Outcome]) -> str:
    seeds = sorted({run.task.seed for run in runs})
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    whole = seeds == list(range(seeds[0], seeds[-1] + 1))
    return f"seeds {seeds[0]} to {seeds[-1]}" if whole else f"{len(seeds)} seeds"


def _overview(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for name, runs in by_data(outcomes).items():
        kept = sum(claim.holds for run in runs for claim in run.claims)
        claims = f"{kept} of {sum(len(run.claims) for run in runs)}"
        lessons = str(len(by_lesson(runs)))
        hours = f"{sum(run.seconds for run in runs) / 3600:.1f}"
        counts = [_seeds(runs), lessons, str(len(runs)), claims, hours]
        rows.append([name, _DATA.get(name, "-"), *counts])
    header = ["data", "what it is", "seeds", "lessons", "runs", "claims held", "hours"]
    return markdown_table(header, rows)


def _fewer_seeds(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the lessons with fewer runs than others on the data with most runs."""
    most = next(iter(by_data(outcomes).values()), [])
    counts = {lesson: len(runs) for lesson, runs in by_lesson(most).items()}
    top = max(counts.values(), default=0)
    return [f"lesson {each}: {n} of {top}" for each, n in counts.items() if n < top]


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {each}" for each in items)


def _is_thin(claim: Summary) -> bool:
    return claim.holds and thin(claim.margin)


def _verdict(outcomes: Sequence[Outcome]) -> list[str]:
    """Return one sentence, and the lists of what is to be explained."""
    reasons = thin_reasons()
    lessons = by_lesson(outcomes).values()
    claims = [claim for runs in lessons for claim in summarize(runs)]
    about = [each.practice for each in claims if not each.practice.startswith("0.")]
    besides = len(claims) - len(about)
    shown = f", and {besides} of the start page's example" if besides else ""
    lists = {
        "Broken:": [f"{c.practice} {c.text}" for c in claims if not c.holds],
        "Runs that failed:": [
            f"lesson {o.task.lesson}, {data_of(o)}, seed {o.task.seed}: {o.failure}"
            for o in outcomes
            if o.failure
        ],
        "Seeds so far, of lessons that have changed since the last whole record:": (
            _fewer_seeds(outcomes)
        ),
        f"Claims that hold with a thin margin, less than {100 * THIN:.0f} % of the "
        "worst effect:": [
            f"{name}. *{reasons[name]}*" if name in reasons else name
            for name in (f"{c.practice} {c.text}" for c in claims if _is_thin(c))
        ],
    }
    held = "Not every" if lists["Broken:"] or lists["Runs that failed:"] else "Every"
    listed = [(intro, _bullets(names)) for intro, names in lists.items() if names]
    return [
        f"Practices: {len(set(about))}. Claims: {len(about)}{shown}. {held} claim held "
        "in every run.",
        *chain.from_iterable(listed),
    ]


_INTRO = """\
Each practice of the course is an experiment: a bad and a good version of a training
run that differ in one habit, under equal conditions, on real images. Its claims are
sentences about what was measured, each with a bound. Here is what came of running all
of them again and again, under other seeds and on other data."""

_HOW_TO_READ = f"""\
**How to read it**

- *what was seen*: one of the practice's claims. *bad*, *good*: medians over all runs.
  *good minus bad*: the difference within a run: its median over the runs, and a 95 %
  interval of that median, which lies between two of the sorted differences and so
  assumes no distribution. *same sign*: in how many runs the difference has the
  median's sign. On further data: the median, and the same sign.
- *bound*: what a claim promises. Under each data set, with its number of runs:
  smallest / median / largest effect, or one number if all are equal.
- *margin*: the room between the bound and the worst effect of all runs, as a share of
  that effect. Less than {100 * THIN:.0f} % is *thin*. A claim of equality has none.
- *lead over guessing*: accuracy minus that of guessing, 0.1 where there are ten
  classes.
- Data sets have the size of the embedded one, drawn by the seed; *all* is every image.
- *hours*: from the start of a kernel to its end, summed over the runs.

`make evidence` makes this page; `evidence.jsonl` beside it holds every number.
"""


def _origin(outcomes: Sequence[Outcome]) -> str:
    dates = sorted({outcome.date for outcome in outcomes if outcome.date})
    versions = [
        ", ".join(f"{name} {version}" for name, version in each.versions.items())
        for each in outcomes
    ]
    when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "-"
    machines = dict.fromkeys(outcome.machine for outcome in outcomes)
    return _bullets(
        [
            f"Measured: {when}",
            *(f"Machine: {each}" for each in machines),
            *(f"Versions: {each}" for each in dict.fromkeys(versions)),
        ]
    )


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page; it depends on the outcomes and the syllabus alone."""
    runs = by_lesson(outcomes)
    blocks = [
        "# Evidence: every claim of the course, under many seeds",
        _INTRO,
        *_verdict(outcomes),
        _overview(outcomes),
        *_practices(outcomes),
        "## How it was measured, and how to read it",
        _origin(outcomes),
        _HOW_TO_READ.rstrip(),
    ]
    for lesson in syllabus.load().lessons:
        if lesson.id in runs:
            blocks += _lesson(lesson, by_data(runs[lesson.id]))
    return "\n\n".join(blocks) + "\n"
