import json

from evidence_samples import claim, outcome, run
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.authoring.evidence.tasks import Task, code_digest


def _notebook(*cells):
    return json.loads(json.dumps(new_notebook(cells=list(cells))))


def _cell(source, tag=None):
    return new_code_cell(source, metadata={"tags": [tag]} if tag else {})


def test_a_task_sets_its_seed_and_data_and_records_no_progress():
    assert Task("12", 3, "fashion-mnist:all").environment() == {
        "COURSE_SEED": "3",
        "COURSE_DATA": "fashion-mnist",
        "COURSE_IMAGES": "all",
        "COURSE_PROGRESS_FILE": "",
    }
    assert Task("12", 3, "embedded").environment()["COURSE_IMAGES"] == ""
    assert "COURSE_DATA" not in Task("12", 3).environment()


def test_a_fingerprint_follows_the_code_that_claims_depend_on():
    base = code_digest(_notebook(_cell("a = 1"), _cell("claim(a)", "claim")))
    words = _notebook(
        new_markdown_cell("# Other words"),
        _cell("course_utils.start('12')", "setup"),
        _cell("a = 1"),
        _cell("prediction = None", "predict"),
        _cell("claim(a)", "claim"),
        _cell("class Mine: ...", "exercise"),
        _cell("course_utils.check_my(None, select='12.*')", "own-code"),
    )
    assert code_digest(words) == base
    words["cells"][2]["outputs"] = [{"output_type": "stream", "text": "1"}]
    assert code_digest(words) == base
    words["cells"][2]["source"] = "a = 2"
    assert code_digest(words) != base


def test_a_fingerprint_does_not_depend_on_how_lines_are_stored():
    whole = _notebook(_cell("a = 1\nb = 2"))
    split = _notebook(_cell("a = 1\nb = 2"))
    split["cells"][0]["source"] = ["a = 1\n", "b = 2"]
    assert code_digest(split) == code_digest(whole)


def test_a_fingerprint_does_not_depend_on_where_a_cell_ends():
    whole = _notebook(_cell("a = 1\n\nb = 2"))
    assert code_digest(_notebook(_cell("a = 1"), _cell("b = 2"))) == code_digest(whole)
    moved = _notebook(_cell("b = 2"), _cell("a = 1"))
    assert code_digest(moved) != code_digest(whole)


def test_a_fingerprint_does_not_depend_on_where_a_helper_lives():
    before = """\
import torch, json
from course_utils.probes import (
    one,
    two,
)
def f():
    from a.b import c
    return c
importance = "from here"
"""
    after = """\
from course_utils.checks import two
def f():
    return c
importance = "from here"
"""
    digest = code_digest(_notebook(_cell(before)))
    assert code_digest(_notebook(_cell(after))) == digest
    for old, new in (("return c", "return d"), ("importance", "important")):
        assert code_digest(_notebook(_cell(before.replace(old, new)))) != digest


def test_ok_means_to_the_end_with_all_claims():
    assert run(0, 0.7).ok
    assert not run(0, 0.1).ok
    assert not run(0, 0.7, failure="It stopped.").ok
    assert outcome(claim(1)).ok
