"""What ``make gpu`` measured on a GPU, for lessons that run without one."""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from course_utils import hardware, syllabus
from course_utils.experiments import recorder
from course_utils.experiments.claims import Pair
from course_utils.formatting import number, text_table

TABLE = "gpu.json"
UNKNOWN = "Nobody has measured this on a GPU yet."


@dataclass(frozen=True)
class RecordedOnGpu:
    """One measurement of a contrast on a GPU.

    Attributes:
        bad: What the bad version measured.
        good: What the good version measured.
        card: Name of the GPU.
        date: When, as ``YYYY-MM-DD``.
    """

    bad: float
    good: float
    card: str
    date: str


@functools.cache
def load() -> dict[str, Any]:
    """Return the record that ships with the course; empty if nobody measured."""
    file = resources.files("course_utils").joinpath("records", TABLE)
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def _recorded(practice: str) -> dict[str, RecordedOnGpu]:
    """Return all that a practice measured there, by name."""
    lesson = syllabus.load().lesson_of(practice)
    row = load().get("notebooks", {}).get(f"notebooks/{lesson.file}")
    if row is None or row["failure"]:
        return {}
    card, date = load()["setup"]["card"], row["date"]
    found: dict[str, RecordedOnGpu] = {}
    for pair in row["pairs"]:
        if pair["practice"] == practice:
            measured = RecordedOnGpu(pair["bad"], pair["good"], card, date)
            found.setdefault(pair["name"], measured)
    return found


def recorded_on_gpu(practice: str, name: str) -> RecordedOnGpu | None:
    """Return what a practice's contrast measured on a GPU, or None if nobody did.

    A lesson that did not run to its end there counts as not measured.

    Args:
        practice: Practice id, for example ``"7.1"``.
        name: The measurement, as the contrast's table calls it.

    Raises:
        ValueError: If there is no such practice.
    """
    return _recorded(practice).get(name)


def _with_article(card: str) -> str:
    return f"{'an' if card[:1] in 'AEINO' else 'a'} {card}"  # an NVIDIA, a Tesla


def gpu_line(practice: str, name: str) -> str:
    """Return a sentence with both versions' measurements on a GPU, card and date.

    The arguments are those of `recorded_on_gpu`.
    """
    found = recorded_on_gpu(practice, name)
    if found is None:
        return UNKNOWN
    where = f"On {_with_article(found.card)} ({found.date})"
    return f"{where}, {name}: bad {number(found.bad)}, good {number(found.good)}."


def _rows_now(
    practice: str, stages: Mapping[str, Callable[[], Mapping[str, float]]]
) -> dict[tuple[str, str], float]:
    """Measure every stage in order, and keep each number for the record."""
    found: dict[tuple[str, str], float] = {}
    first: dict[str, float] = {}
    for stage, measure in stages.items():
        for name, value in measure().items():
            found[stage, name] = value
            reference = first.setdefault(name, value)
            pair = Pair(practice, f"{stage}: {name}", reference, value)
            recorder.save(vars(pair))
    return found


def gpu_table(
    practice: str, stages: Mapping[str, Callable[[], Mapping[str, float]]]
) -> str:
    """Return a table of what each stage measures on a GPU, now or on record.

    With a GPU the stages run, one after the other, and what they measure goes to the
    evidence, from which ``make gpu`` takes it. Without one the record is asked, and if
    nobody measured, a sentence says so.

    Args:
        practice: Practice id, for example ``"7.1"``.
        stages: What to measure by name. Each returns named numbers, the same names
            in every stage; the record compares them with those of the first stage.

    Raises:
        ValueError: If there is no such practice.
    """
    found, said = dict[tuple[str, str], float](), ""
    if hardware.profile().accelerator == "gpu":
        found = _rows_now(practice, stages)
        said = f"On this machine's {hardware.gpu_details()['card']}:"
    else:
        record = _recorded(practice)
        for stage in stages:
            for name, each in record.items():
                if name.startswith(f"{stage}: "):
                    found[stage, name.removeprefix(f"{stage}: ")] = each.good
                    said = f"On {_with_article(each.card)} ({each.date}):"
    if not found:
        return UNKNOWN
    names = list(dict.fromkeys(name for _, name in found))
    rows = [
        (stage, *(number(found.get((stage, name))) for name in names))
        for stage in stages
    ]
    return f"{said}\n{text_table(('', *names), rows)}"
