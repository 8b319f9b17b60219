"""What a planted bug does, and what exercise 6.1 cannot show of the check behind it."""

import os

import lightning as L
import pytest
import torch

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_06.planted_bugs import (
    PLANTED,
    FirstLayerFrozen,
    Normalized,
    Sound,
    built,
    loader_with_a_rest,
    notices_planted_bugs,
)
from course_utils.hardware import quiet_trainer

HEALTHY = (Sound, FirstLayerFrozen, Normalized)
KINDS = {planted: kind for planted, kind, _ in PLANTED}
LET_PASS = [f"It lets through: {planted}." for planted in KINDS]


def fit(model, loader, **flags):
    L.Trainer(**{"max_epochs": 1, **flags}, **quiet_trainer()).fit(model, loader)


def test_the_last_batch_holds_one_sample():
    sizes = [len(labels) for _, labels in loader_with_a_rest(batches=5)]
    assert sizes == [4, 4, 4, 4, 1]


def test_a_sound_module_trains_counts_its_steps_and_can_be_saved(tmp_path):
    model = built(Sound)
    before = model.net.weight.clone()
    trainer = L.Trainer(max_epochs=1, **quiet_trainer())
    trainer.fit(model, loader_with_a_rest(batches=5))
    trainer.save_checkpoint(tmp_path / "sound.ckpt")
    assert len(model.steps) == 5
    assert not torch.equal(before, model.net.weight)


def test_steps_of_one_module_are_not_those_of_the_next():
    fit(built(Sound), loader_with_a_rest(batches=5))
    assert built(Sound).steps == []


def test_a_dry_run_finds_one_planted_bug_of_five():
    found = []
    for planted, kind in KINDS.items():
        try:
            fit(built(kind), loader_with_a_rest(), fast_dev_run=True)
        except Exception:
            found.append(planted)
    assert found == ["a crash at the end of the epoch"]


def test_the_last_batch_breaks_the_network_that_needs_two():
    kind = KINDS["a network that cannot take a last batch of one image"]
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        fit(built(kind), loader_with_a_rest(batches=5))


def test_a_checkpoint_cannot_be_saved_though_training_is_fine(tmp_path):
    kind = KINDS["a checkpoint that cannot be saved"]
    trainer = L.Trainer(max_epochs=1, **quiet_trainer())
    trainer.fit(built(kind), loader_with_a_rest(batches=5))
    with pytest.raises(Exception, match="lambda"):
        trainer.save_checkpoint(tmp_path / "never.ckpt")


def test_training_that_learns_nothing_counts_its_steps_all_the_same():
    model = built(KINDS["training that changes no weight"])
    before = model.net.weight.clone()
    fit(model, loader_with_a_rest(batches=5))
    assert len(model.steps) == 5
    assert torch.equal(before, model.net.weight)


def test_an_oracle_that_knows_the_names_passes():
    def knows(model, loader):
        model.steps.append(0)
        if type(model).__mro__[1] not in HEALTHY:
            raise LearnerError("known")

    assert all(finding.ok for finding in notices_planted_bugs(knows))


def test_a_test_that_never_passes_is_asked_nothing_more():
    def refuses(model, loader):
        raise LearnerError("no.")

    first, *_ = notices_planted_bugs(refuses)
    assert first.ok is False
    assert first.seen == "A healthy model does not pass: no."


@pytest.mark.parametrize(
    ("steps", "ok"), [(0, False), (1, True), (5, True), (6, False)]
)
def test_steps_are_limited(steps, ok):
    def trains(model, loader):
        model.steps.extend([0] * steps)

    assert next(notices_planted_bugs(trains)).ok is ok


def test_many_steps_on_a_broken_model_are_a_fault_too():
    def trains(model, loader):
        model.steps.extend([0] * (1 if type(model).__mro__[1] in HEALTHY else 6))
        if type(model).__mro__[1] not in HEALTHY:
            raise LearnerError("known")

    faults = [f for f in notices_planted_bugs(trains) if not f.ok]
    assert [fault.seen for fault in faults] == [
        f"On {planted} it trained for 6 steps." for planted in KINDS
    ]


def test_weights_that_change_and_bugs_that_pass_are_faults_with_remedies():
    def trains(model, loader):
        model.steps.append(0)
        next(model.parameters()).detach().zero_()

    faults = [f for f in notices_planted_bugs(trains) if not f.ok]
    seen = [fault.seen for fault in faults]
    assert seen == ["The weights are changed afterwards."] * 3 + LET_PASS
    assert all(fault.remedy for fault in faults)


def test_files_are_left_in_a_folder_that_is_gone():
    seen = []

    def writes(model, loader):
        model.steps.append(0)
        seen.append(os.getcwd())

    before = os.getcwd()
    list(notices_planted_bugs(writes))
    assert os.getcwd() == before
    assert not any(os.path.exists(folder) for folder in seen)
