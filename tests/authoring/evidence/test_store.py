import json

import pytest
from evidence_samples import outcome, record, run

from course_utils.authoring.evidence import confidence, store
from course_utils.authoring.evidence.claim_records import Pair
from course_utils.authoring.evidence.confidence import how_sure
from course_utils.authoring.evidence.store import pack, to_text, unpack

RUNS = [
    run(1, 0.75, seconds=2.5, versions={"torch": "2"}, machine="a"),
    run(0, 0.5, versions={"torch": "2"}, machine="b"),
    run(0, 0.25, data="fashion-mnist", failure="Cell 3 raised.", lesson="02"),
    outcome(record(None, seed=4, holds=False), seed=4),
]


def test_what_is_packed_comes_back_in_order_of_lesson_data_and_seed():
    back = unpack(json.loads(to_text(RUNS)))
    assert back == (RUNS[1], RUNS[0], RUNS[3], RUNS[2])


def test_a_sentence_is_stored_once_and_a_run_is_a_line():
    text = to_text(RUNS)
    assert text.count('"large"') == 2  # with the measurement's name, and without
    assert sum(line.startswith('{"lesson"') for line in text.splitlines()) == len(RUNS)


def test_six_digits_are_kept_and_the_verdict_is_the_unrounded_one():
    claim = record(0.49999999, holds=False)
    [back] = unpack(pack([outcome(claim)]))
    assert back.claims[0].measured == 0.5
    assert not back.claims[0].holds


@pytest.fixture
def published_runs(monkeypatch):
    def publish(*runs):
        monkeypatch.setattr(store, "load", lambda: runs)

    return publish


def test_nothing_published_means_nothing_said(published_runs):
    published_runs()
    assert how_sure("1.1", "01") == ""


def test_how_sure_tells_the_interval_of_the_paired_difference(published_runs):
    published_runs(*(run(seed, 0.5 + seed / 10, bad=seed * 7.0) for seed in range(11)))
    assert how_sure("1.1", "01") == (
        "How sure? Over 11 seeds, accuracy, good minus bad: median +1.000,\n95 % "
        "interval +0.600 to +1.400; 11 of 11 have the sign of the median."
    )


def test_other_data_fewer_cores_and_other_lessons_do_not_count(published_runs):
    same = [run(seed, 1.0) for seed in range(confidence.LEAST)]
    other = [run(seed, -9.0, data="fashion-mnist") for seed in range(30)]
    slow = [run(seed, -9.0, task={"cores": 1}) for seed in range(30)]
    lesson = [run(seed, -9.0, lesson="02") for seed in range(30)]
    published_runs(*other, *slow, *lesson, *same)
    assert "Over 10 seeds" in how_sure("1.1", "01")
    assert how_sure("1.2", "01") == ""


def test_a_few_seeds_say_nothing(published_runs):
    published_runs(*(run(seed, 1.0) for seed in range(confidence.LEAST - 1)))
    assert how_sure("1.1", "01") == ""


def test_without_a_claim_on_both_versions_the_first_sure_difference_is_told(
    published_runs,
):
    def runs(seed):
        return outcome(
            record(1.0, seed=seed),
            seed=seed,
            pairs=[
                Pair("1.1", "noise", 0.0, 1.0 if seed % 2 else -1.0),
                Pair("1.1", "same", 2.0, 2.0),
                Pair("1.1", "loss", 3.0, 1.0),
            ],
        )

    published_runs(*map(runs, range(12)))
    assert how_sure("1.1", "01") == (
        "How sure? Over 12 seeds, loss, good minus bad: -2.000 each time."
    )
