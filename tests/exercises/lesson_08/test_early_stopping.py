"""Runs whose metric follows a script: where they stop, and what they keep."""

import lightning as L
import pytest
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_08.early_stopping import (
    best_check,
    keeps_the_best,
    last_check,
    stops_in_time,
)
from course_utils.exercises.lesson_08.scripted_metric import ScriptedRun, scripted_run

LOSSES = (5, 3, 4, 4, 2, 3, 3, 3, 3, 1)


def stop(patience=3, mode="min", **options):
    return lambda folder: [
        EarlyStopping("loss", patience=patience, mode=mode, **options)
    ]


def keep(**options):
    return lambda folder: [ModelCheckpoint(folder, monitor="loss", **options)]


def test_the_right_check_is_found_by_hand():
    assert last_check(LOSSES, 3, "min") == 8
    assert last_check(LOSSES, 2, "min") == 4
    assert last_check(LOSSES, 5, "min") == 10
    assert last_check(LOSSES, 3, "max") == 4
    assert best_check(LOSSES, "min", checks=8) == 5
    assert best_check(LOSSES, "max", checks=8) == 1


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [1, 2, 3, 4, 5])
def test_early_stopping_stops_where_the_arithmetic_says(patience, mode):
    run = scripted_run(stop(patience, mode), "loss", LOSSES)
    assert run == ScriptedRun(last_check(LOSSES, patience, mode), 0, 0)


def test_checks_within_an_epoch_count():
    run = scripted_run(stop(3), "loss", (*LOSSES, 1, 1), checks_an_epoch=4)
    assert run.checks == 8


KEEPS = {
    "the best": (keep(), 10, True),
    "the best three": (keep(save_top_k=3), 10, True),
    "the best and the last": (keep(save_last=True), 10, True),
    "the worst": (keep(mode="max"), 1, False),
    "nothing": (stop(20), 0, False),
    "nowhere": (lambda folder: [], 0, False),
}


@pytest.mark.parametrize(("make", "kept", "ok"), KEEPS.values(), ids=KEEPS)
def test_what_is_kept_is_read_from_the_file(make, kept, ok):
    run = scripted_run(make, "loss", LOSSES)
    assert (run.checks, run.kept) == (10, kept)
    assert keeps_the_best(run, LOSSES, "min").ok is ok


SAID = {  # run: whether it stopped in time, and what is said
    "in time": (8, True, "stopped after 8; it should stop after 8."),
    "patience in epochs": (4, False, "Patience counts validation checks, not epochs."),
    "too late": (
        9,
        False,
        "Stop after 2 epochs without a new best, which are 3 checks.",
    ),
    "never": (10, False, "the run never stopped; it should stop after 8."),
}


@pytest.mark.parametrize(("checks", "ok", "said"), SAID.values(), ids=SAID)
def test_where_it_stopped_is_said(checks, ok, said):
    run = ScriptedRun(checks, 0, 0)
    finding = stops_in_time(run, LOSSES, patience=3, mode="min", epochs=2)
    assert finding.ok is ok
    assert said in f"{finding.seen} {finding.remedy}"


def test_the_opposite_mode_is_named():
    rising = tuple(range(1, 9))
    finding = stops_in_time(ScriptedRun(4, 0, 0), rising, 3, "max", epochs=1)
    assert 'is the maximum: set mode="max"' in finding.remedy
    assert "it should run to its end" in finding.seen


def test_one_callback_is_as_good_as_a_list():
    run = scripted_run(lambda folder: stop()(folder)[0], "loss", LOSSES)
    assert run.checks == 8


@pytest.mark.parametrize("made", [None, "stop", [EarlyStopping], [L.Trainer]])
def test_what_is_no_callback_is_the_learners_error(made):
    with pytest.raises(LearnerError, match="Expected a list of callbacks"):
        scripted_run(lambda folder: made, "loss", LOSSES)


def test_a_metric_that_is_not_there_is_the_learners_error():
    with pytest.raises(LearnerError, match="Training raised RuntimeError"):
        scripted_run(stop(), "acc", LOSSES)


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scripted_run(keep(), "loss", LOSSES)
    assert not list(tmp_path.iterdir())
