import json

import pytest
from evidence_samples import outcome, record, run
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.authoring.evidence.tasks import (
    Task,
    append,
    code_digest,
    from_line,
    kept,
    read_lines,
    to_line,
)


def _notebook(*cells):
    return json.loads(json.dumps(new_notebook(cells=list(cells))))


def _cell(source, tag=None):
    return new_code_cell(source, metadata={"tags": [tag]} if tag else {})


def test_an_outcome_survives_its_line():
    whole = run(3, 0.7, seconds=1.5, versions={"torch": "2"}, machine="λ")
    assert from_line(to_line(whole)) == whole
    assert to_line(whole).count("\n") == 1


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"task": {"lesson": "1"}}'])
def test_another_line_is_refused(line):
    with pytest.raises(ValueError, match="Expected the outcome of a run but got"):
        from_line(line)


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
        _cell("a = 1"),
        _cell("prediction = None", "predict"),
        _cell("claim(a)", "claim"),
        _cell("class Mine: ...", "exercise"),
    )
    assert code_digest(words) == base
    words["cells"][1]["outputs"] = [{"output_type": "stream", "text": "1"}]
    assert code_digest(words) == base
    words["cells"][1]["source"] = "a = 2"
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


def test_kept_runs_are_found_again_and_others_are_not(tmp_path):
    file = tmp_path / "runs.jsonl"
    first, second = run(0, 0.7), run(1, 0.8)
    append(file, first)
    append(file, second)
    assert kept(read_lines(file), [first.task, run(2, 0.1).task]) == {first.task: first}
    assert read_lines(tmp_path / "none") == []


def test_a_changed_lesson_is_run_again(tmp_path):
    file = tmp_path / "runs.jsonl"
    append(file, run(0, 0.7))
    assert kept(read_lines(file), [Task("01", 0, "embedded", code="other")]) == {}


def test_a_run_that_failed_is_run_again_and_a_broken_claim_is_a_result(tmp_path):
    file = tmp_path / "runs.jsonl"
    failed, broken = run(0, 0.7, failure="It stopped."), run(1, 0.1)
    append(file, failed)
    append(file, broken)
    assert list(kept(read_lines(file), [failed.task, broken.task])) == [broken.task]


def test_the_last_of_two_runs_counts(tmp_path):
    file = tmp_path / "runs.jsonl"
    append(file, run(0, 0.7))
    append(file, run(0, 0.9))
    [found] = kept(read_lines(file), [run(0, 0.7).task]).values()
    assert found.claims[0].measured == 0.9


def test_a_line_that_broke_off_costs_that_run_only(tmp_path):
    file = tmp_path / "runs.jsonl"
    append(file, run(0, 0.7))
    with file.open("a") as lines:
        lines.write(to_line(run(1, 0.8))[:50])
    append(file, run(2, 0.9))
    found = kept(read_lines(file), [run(seed, 0).task for seed in range(3)])
    assert [task.seed for task in found] == [0, 2]


def test_ok_means_to_the_end_with_all_claims():
    assert run(0, 0.7).ok
    assert not run(0, 0.1).ok
    assert not run(0, 0.7, failure="It stopped.").ok
    assert outcome(record(1)).ok
