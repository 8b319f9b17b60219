import pytest
from evidence_samples import claim, outcome, run

from course_utils.authoring.evidence import store
from course_utils.authoring.evidence.tasks import Task

RUNS = [
    run(0, 0.5, versions={"torch": "2"}, machine="λ"),
    run(1, 0.75, seconds=2.5, versions={"torch": "2"}),
    outcome(claim(None, holds=False), seed=4),
    run(0, 0.25, data="fashion-mnist", failure="Cell 3 raised.", lesson="02"),
]


def test_outcomes_survive_their_file_and_each_is_a_line(tmp_path):
    file = tmp_path / "evidence.jsonl"
    file.write_text(store.to_text(RUNS), "utf-8")
    assert store.read(file) == RUNS
    assert file.read_text("utf-8").count("\n") == len(RUNS)


def test_what_is_appended_and_what_is_published_is_encoded_alike(tmp_path):
    for each in RUNS:
        store.append(tmp_path / "runs.jsonl", each)
    assert (tmp_path / "runs.jsonl").read_text("utf-8") == store.to_text(RUNS)


@pytest.mark.parametrize("line", ["[]", "3", "{}", '{"task": {"lesson": "1"}}'])
def test_another_line_is_named_or_skipped(tmp_path, line):
    file = tmp_path / "runs.jsonl"
    file.write_text(f"\n{line}\n{store.to_text(RUNS[:1])}", "utf-8")
    with pytest.raises(ValueError, match=r"line 2 of .*runs.jsonl to be a record but"):
        store.read(file)
    assert store.read(file, skip_damaged=True) == RUNS[:1]


def _finished(file, *tasks):
    return store.finished(store.read(file), tasks)


def test_kept_runs_are_found_again_and_others_are_not(tmp_path):
    file = tmp_path / "runs.jsonl"
    first, second = run(0, 0.7), run(1, 0.8)
    store.append(file, first)
    store.append(file, second)
    assert _finished(file, first.task, run(2, 0.1).task) == {first.task: first}
    assert store.read(tmp_path / "none") == []


def test_a_changed_lesson_is_run_again(tmp_path):
    file = tmp_path / "runs.jsonl"
    store.append(file, run(0, 0.7))
    assert _finished(file, Task("01", 0, "embedded", code="other")) == {}


def test_a_run_that_failed_is_run_again_and_a_broken_claim_is_a_result(tmp_path):
    file = tmp_path / "runs.jsonl"
    failed, broken = run(0, 0.7, failure="It stopped."), run(1, 0.1)
    store.append(file, failed)
    store.append(file, broken)
    assert list(_finished(file, failed.task, broken.task)) == [broken.task]


def test_the_last_of_two_runs_counts(tmp_path):
    file = tmp_path / "runs.jsonl"
    store.append(file, run(0, 0.7))
    store.append(file, run(0, 0.9))
    [found] = _finished(file, run(0, 0.7).task).values()
    assert found.claims[0].measured == 0.9


def test_a_line_that_broke_off_costs_that_run_only(tmp_path):
    file = tmp_path / "runs.jsonl"
    store.append(file, run(0, 0.7))
    with file.open("a") as lines:
        lines.write(store.to_text([run(1, 0.8)])[:50])
    store.append(file, run(2, 0.9))
    found = store.read(file, skip_damaged=True)
    assert [each.task.seed for each in found] == [0, 2]
