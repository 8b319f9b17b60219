"""The versions on which everything ran, as the test sessions recorded it themselves.

``make versions`` runs all tests but the slow ones twice, on the oldest and on the
pinned packages, and each session writes what it ran on and how it ended. A page of the
site shows the record, README the two ends of it.
"""

from collections.abc import Iterable
from typing import Any

from course_utils import shipped_records
from course_utils.formatting import markdown_table

TITLES = {"lowest": "Oldest", "pinned": "Pinned"}
NOTHING = "Nothing is on record yet."
SHOWN = ("torch", "lightning")  # in short
Session = dict[str, Any]  # what `pytest_versions.Recorder.run` returns


def record() -> dict[str, Session]:
    """Return the latest complete session of each kind: ``lowest`` and ``pinned``."""
    return complete(shipped_records.read("versions.json"))


def complete(runs: dict[str, Session]) -> dict[str, Session]:
    """Return the sessions of ``runs`` that ran both unit tests and notebooks."""
    return {
        kind: runs[kind]
        for kind in TITLES
        if {"unit_tests", "cells"} <= runs.get(kind, {}).keys()
    }


def failed(session: Session) -> int:
    """Return how many unit tests and cells failed."""
    return session["unit_tests"]["failed"] + session["cells"]["failed"]


def _column(session: Session, packages: Iterable[str]) -> list[str]:
    return [
        session["python"],
        *(session["versions"].get(name, "not needed") for name in packages),
        f"{session['unit_tests']['passed']:,}",
        str(len(session["notebooks"])),
        str(failed(session)),
        session["system"],
        session["date"],
    ]


def table(sessions: dict[str, Session]) -> str:
    """Return the table "Works with" as Markdown, or a line if nothing is on record."""
    if not sessions:
        return NOTHING
    packages = dict.fromkeys(n for each in sessions.values() for n in each["versions"])
    counts = ("unit tests passed", "notebooks passed", "failed")
    names = ("Python", *packages, *counts, "system", "date")
    columns = [_column(each, packages) for each in sessions.values()]
    header = ["", *(TITLES[kind] for kind in sessions)]
    return markdown_table(header, zip(names, *columns, strict=True))


def _end(session: Session) -> str:
    versions = [f"{name} {session['versions'][name]}" for name in SHOWN]
    return (
        f"Python {session['python']} with {' and '.join(versions)} (notebooks passed: "
        f"{len(session['notebooks'])}, tests: {session['unit_tests']['passed']:,})"
    )


def in_short(sessions: dict[str, Session]) -> str:
    """Return one sentence with both ends of the table, or a line if there is none."""
    if not sessions:
        return NOTHING
    ends = ", and on ".join(map(_end, sessions.values()))
    return f"It was run on {ends}: [every version](site/versions.md)."
