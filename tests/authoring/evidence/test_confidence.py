import json

from evidence_samples import claim, outcome, run

from course_utils.authoring.evidence.confidence import LEAST, confidence, to_text
from course_utils.experiments.claims import Pair


def test_a_row_is_the_interval_of_the_paired_difference():
    runs = [run(seed, 0.5 + seed / 8, bad=seed * 7.0) for seed in range(11)]
    row = {"measurement": "accuracy", "low": 0.625, "median": 1.125, "high": 1.625}
    assert confidence(runs) == {"1.1": {**row, "signs": 11, "runs": 11}}


def test_a_practice_is_a_line():
    runs = [run(seed, 1.0, practice=f"1.{n}") for n in (1, 2) for seed in range(12)]
    assert json.loads(to_text(runs)) == confidence(runs)
    assert [line[:5] for line in to_text(runs).splitlines()[1:-1]] == ['"1.1"', '"1.2"']


def test_other_data_and_other_lessons_do_not_count():
    same = [run(seed, 1.0) for seed in range(LEAST)]
    other = [run(seed, -9.0, data="fashion-mnist") for seed in range(30)]
    lesson = [run(seed, -9.0, lesson="02", practice="2.1") for seed in range(30)]
    found = confidence([*other, *lesson, *same])
    assert found["1.1"]["runs"] == LEAST
    assert found["1.1"]["median"] == 1.0
    assert found["2.1"]["median"] == -9.0


def test_a_few_seeds_say_nothing():
    assert confidence([run(seed, 1.0) for seed in range(LEAST - 1)]) == {}


def test_without_a_claim_on_both_versions_the_first_sure_difference_is_taken():
    pairs = [Pair("1.1", "same", 2.0, 2.0), Pair("1.1", "loss", 3.0, 1.0)]
    runs = [
        outcome(
            claim(1.0),
            seed=seed,
            pairs=[Pair("1.1", "noise", 0.0, 1.0 if seed % 2 else -1.0), *pairs],
        )
        for seed in range(12)
    ]
    row = confidence(runs)["1.1"]
    assert (row["measurement"], row["median"]) == ("loss", -2.0)


def test_a_control_that_is_claimed_first_does_not_stand_for_the_effect():
    pairs = [Pair("1.1", "accuracy", 0.5, 0.5), Pair("1.1", "loss", 3.0, 1.0)]
    runs = [outcome(claim(0.0), seed=seed, pairs=pairs) for seed in range(12)]
    assert confidence(runs)["1.1"]["measurement"] == "loss"
