import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import jsonl
from course_utils.authoring.evidence.execute_task import claim_or_pair, execute_task
from course_utils.authoring.evidence.tasks import Task
from course_utils.experiments.claims import Claim, Pair

WRITES = "open(__import__('os').environ['COURSE_EVIDENCE'], 'a').write({!r})"
RECORDS = """\
{"practice": "1.1", "text": "t", "kind": "equals", "threshold": 1, "holds": true}
{"practice": "1.1", "name": "loss", "bad": 2.5, "good": 0.5}
"""


def _outcome(text):
    notebook = new_notebook(cells=[new_code_cell(WRITES.format(text))])
    return execute_task(Task("01", 0), nbformat.writes(notebook))


def test_what_a_kernel_recorded_is_collected():
    found = _outcome(RECORDS)
    assert found.claims == (Claim("1.1", "t", "equals", 1.0, True),)
    assert found.pairs == (Pair("1.1", "loss", 2.5, 0.5),)
    assert found.failure == ""
    assert found.versions["torch"]


def test_a_run_with_a_damaged_record_has_failed():
    found = _outcome(RECORDS[:-9])
    assert "Expected line 2 of " in found.failure
    assert "claims.jsonl to be a record but got" in found.failure


@pytest.mark.parametrize(
    "line",
    [
        *('{"practice": "1', "[]", "3", '{"practice": "1.1"}'),
        '{"practice": "1.1", "name": "loss", "bad": [1], "good": 1}',
        '{"practice": "1.1", "text": "t", "kind": "equals", "threshold": 1}',
    ],
)
def test_a_line_that_is_no_record_is_named_and_not_dropped(tmp_path, line):
    file = tmp_path / "claims.jsonl"
    file.write_text(f"{RECORDS}\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match=r"line 4 of .*claims.jsonl to be a record"):
        jsonl.read(file, claim_or_pair)
