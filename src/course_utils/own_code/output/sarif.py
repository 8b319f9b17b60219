"""A report as SARIF 2.1.0, which code hosts show beside the lines of a change.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from typing import Any

from course_utils._version import __version__
from course_utils.own_code.report import Finding, Report, in_order, practice_order

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def _rule(finding: Finding) -> dict[str, Any]:
    lesson = f"Lesson {finding.lesson}." if finding.lesson else ""
    return {
        "id": finding.practice,
        "shortDescription": {"text": finding.title},
        "help": {"text": lesson or finding.title},
    }


def _region(finding: Finding) -> dict[str, int]:
    region = {"startLine": max(finding.line, 1)}
    return region | ({"startColumn": finding.column} if finding.column else {})


def _result(finding: Finding, rules: list[str]) -> dict[str, Any]:
    cell = f"Cell {finding.cell}: " if finding.cell else ""
    return {
        "ruleId": finding.practice,
        "ruleIndex": rules.index(finding.practice),
        "level": finding.severity,
        "message": {"text": f"{cell}{finding.seen} {finding.remedy}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": finding.file.replace("\\", "/")},
                    "region": _region(finding),
                }
            }
        ],
    }


def to_sarif(report: Report) -> dict[str, Any]:
    """Return the report as a SARIF log with one run; what was not asked is a note."""
    findings = in_order(report.findings)
    first = {each.practice: each for each in reversed(findings)}
    ids = sorted(first, key=practice_order)
    notes = [
        {"level": "note", "message": {"text": f"{u.practice} {u.reason}".strip()}}
        for u in report.unasked
    ]
    run = {
        "tool": {
            "driver": {
                "name": "course check",
                "version": __version__,
                "rules": [_rule(first[each]) for each in ids],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not report.stopped,
                "toolExecutionNotifications": notes,
            }
        ],
        "results": [_result(each, ids) for each in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
