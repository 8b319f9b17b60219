"""The versions on which everything ran, as the test sessions recorded it themselves.

``make versions`` runs all tests twice, on the oldest and on the pinned packages, and
each session writes what it ran on and how it ended. README shows the record.
"""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from course_utils.formatting import markdown_table

TITLES = {"lowest": "Oldest", "pinned": "Pinned"}


@dataclass(frozen=True)
class Session:
    """One run of all tests.

    Attributes:
        date: Day on which it ran, in UTC, as YYYY-MM-DD.
        python: Version of Python.
        system: Operating system and processor.
        versions: Version of each package that pyproject.toml lists.
        unit_tests: How many unit tests passed, failed and were skipped.
        cells: The same for the cells and checks of lessons and solutions.
        notebooks: The notebooks of which every cell passed.
    """

    date: str
    python: str
    system: str
    versions: dict[str, str]
    unit_tests: dict[str, int]
    cells: dict[str, int]
    notebooks: list[str]

    @property
    def failed(self) -> int:
        """Unit tests and cells that failed."""
        return self.unit_tests["failed"] + self.cells["failed"]


def record() -> dict[str, Session]:
    """Return the latest complete session of each kind: ``lowest`` and ``pinned``."""
    file = resources.files("course_utils") / "records" / "versions.json"
    return complete(json.loads(file.read_text("utf-8")))


def complete(runs: dict[str, dict[str, Any]]) -> dict[str, Session]:
    """Return the sessions of ``runs`` that ran both unit tests and notebooks."""
    return {
        kind: Session(**runs[kind])
        for kind in TITLES
        if {"unit_tests", "cells"} <= runs.get(kind, {}).keys()
    }


def _rows(sessions: list[Session]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for each in sessions for name in each.versions)
    packages = {
        name: [each.versions.get(name, "not needed") for each in sessions]
        for name in names
    }
    return {
        "Python": [each.python for each in sessions],
        **packages,
        "unit tests passed": [f"{each.unit_tests['passed']:,}" for each in sessions],
        "notebooks passed": [str(len(each.notebooks)) for each in sessions],
        "failed": [str(each.failed) for each in sessions],
        "system": [each.system for each in sessions],
        "date": [each.date for each in sessions],
    }


def table(sessions: dict[str, Session]) -> str:
    """Return the table "Works with" as Markdown, or a line if nothing is on record."""
    if not sessions:
        return "Nothing is on record yet."
    rows = _rows(list(sessions.values()))
    header = ["", *(TITLES[kind] for kind in sessions)]
    return markdown_table(header, [[name, *row] for name, row in rows.items()])
