import os
from pathlib import Path

import pytest
from packaging.version import Version

from course_utils.authoring import pytest_versions, versions

ROOT = Path(__file__).parents[2]
OLD = dict(
    date="2026-11-26",
    python="3.10.13",
    system="Linux x86_64",
    versions={"torch": "2.6.0", "tomli": "2.0.0"},
    unit_tests={"passed": 1234, "failed": 0, "skipped": 3},
    cells={"passed": 500, "failed": 2, "skipped": 0},
    notebooks=["notebooks/00_start_here"],
)
NEW = dict(
    date="2026-11-27",
    python="3.11.7",
    system="Linux x86_64",
    versions={"torch": "2.14.1"},
    unit_tests={"passed": 1240, "failed": 1, "skipped": 0},
    cells={"passed": 502, "failed": 0, "skipped": 0},
    notebooks=["notebooks/00_start_here", "solutions/00_start_here"],
)


def test_the_table_has_a_column_for_each_session():
    assert versions.table({"lowest": OLD, "pinned": NEW}).splitlines() == [
        "| | Oldest | Pinned |",
        "| --- | --- | --- |",
        "| Python | 3.10.13 | 3.11.7 |",
        "| torch | 2.6.0 | 2.14.1 |",
        "| tomli | 2.0.0 | not needed |",
        "| unit tests passed | 1,234 | 1,240 |",
        "| notebooks passed | 1 | 2 |",
        "| failed | 2 | 1 |",
        "| system | Linux x86_64 | Linux x86_64 |",
        "| date | 2026-11-26 | 2026-11-27 |",
    ]


def test_versions_are_compared_as_versions():
    assert not pytest_versions.differences(
        {"torch": "2.6.0"}, {"torch": Version("2.6")}
    )


def test_half_a_session_is_not_shown():
    half = {key: value for key, value in OLD.items() if key != "cells"}
    assert versions.complete({"lowest": OLD, "pinned": half}) == {"lowest": OLD}


def test_an_empty_record_is_told():
    assert versions.table({}) == "Nothing is on record yet."
    assert versions.in_short({}) == "Nothing is on record yet."


def test_a_sentence_names_both_ends():
    with_lightning = [
        {**each, "versions": {**each["versions"], "lightning": lightning}}
        for each, lightning in ((OLD, "2.6.0"), (NEW, "2.6.6"))
    ]
    sessions = dict(zip(versions.TITLES, with_lightning, strict=True))
    assert versions.in_short(sessions) == (
        "It was run on Python 3.10.13 with torch 2.6.0 and lightning 2.6.0 (notebooks "
        "passed: 1, tests: 1,234), and on Python 3.11.7 with torch 2.14.1 and "
        "lightning 2.6.6 (notebooks passed: 2, tests: 1,240): "
        "[every version](site/versions.md)."
    )


@pytest.mark.skipif(
    "COURSE_VERSIONS_RECORD" in os.environ, reason="the record is being made"
)
def test_both_sessions_are_on_record_and_nothing_failed():
    found = versions.record()
    assert list(found) == list(versions.TITLES)
    assert [versions.failed(each) for each in found.values()] == [0, 0]
    stored = [
        f"{folder}/{file.stem}"
        for folder in pytest_versions.FOLDERS
        for file in sorted((ROOT / folder).glob("*.ipynb"))
    ]
    for each in found.values():
        assert each["notebooks"] == stored
