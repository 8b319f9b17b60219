"""Runs that leave the test set alone, and runs that peek, in a real Trainer."""

from tempfile import TemporaryDirectory

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_10.scripted_scores import (
    TEST_COUNT,
    ScriptedClassifier,
)
from course_utils.exercises.lesson_10.untouched_test_set import (
    WatchedData,
    as_number,
    keeps_the_test_set,
    score_is,
)
from course_utils.hardware import quiet_trainer


def trainer(**options):
    return L.Trainer(max_epochs=2, **quiet_trainer(accelerator="cpu", **options))


def after_fit(model, data):
    trainer().fit(model, datamodule=data)
    trainer().test(model, datamodule=data, verbose=False)


def best_checkpoint(model, data):
    with TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="val_acc", mode="max")
        run = trainer(enable_checkpointing=True, callbacks=[best])
        run.fit(model, datamodule=data)
        run.test(model, datamodule=data, ckpt_path="best", verbose=False)


def by_hand(model, data):
    for part in (data.val_dataloader(), data.test_dataloader()):
        with torch.no_grad():
            [model(images) for images, _ in part]


def only_the_test_set(model, data):
    trainer().test(model, datamodule=data, verbose=False)


def validates_on_test(model, data):
    trainer().fit(model, data.train_dataloader(), data.test_dataloader())
    trainer().test(model, datamodule=data, verbose=False)


def peeks_then_trains(model, data):
    trainer().test(model, datamodule=data, verbose=False)
    trainer().fit(model, datamodule=data)


def validates_last(model, data):
    trainer().fit(model, datamodule=data)
    trainer().test(model, datamodule=data, verbose=False)
    trainer().validate(model, datamodule=data, verbose=False)


def twice(model, data):
    for _ in range(2):
        trainer().test(model, datamodule=data, verbose=False)


def one_batch(model, data):
    trainer(limit_test_batches=1).test(model, datamodule=data, verbose=False)


def first_batch_twice(model, data):
    next(iter(data.test_dataloader()))
    trainer().test(model, datamodule=data, verbose=False)


def never(model, data):
    trainer().fit(model, datamodule=data)


RIGHT = (after_fit, best_checkpoint, by_hand, only_the_test_set)
WRONG = {
    validates_on_test: "60 test images were read before",
    peeks_then_trains: f"{TEST_COUNT} test images were read before the last training",
    validates_last: f"{TEST_COUNT} test images were read before the last training",
    twice: "A test image was read 2 times.",
    one_batch: f"44 of {TEST_COUNT} test images were never read.",
    first_batch_twice: "A test image was read 2 times.",
    never: f"{TEST_COUNT} of {TEST_COUNT} test images were never read.",
}


def faults(run):
    data = WatchedData()
    run(ScriptedClassifier((0.1, 0.5, 0.6), (0.1, 0.4, 0.3)), data)
    return [each for each in keeps_the_test_set(data.ledger) if not each.ok]


@pytest.mark.parametrize("run", RIGHT, ids=lambda run: run.__name__)
def test_one_pass_at_the_end_is_fine(run):
    assert faults(run) == []


@pytest.mark.parametrize(
    ("run", "said"), WRONG.items(), ids=[run.__name__ for run in WRONG]
)
def test_each_other_way_is_told_what_it_did(run, said):
    found = faults(run)
    assert found
    assert said in found[0].seen
    assert found[0].remedy


def test_the_ledger_knows_part_index_and_order():
    data = WatchedData(batch_size=2)
    next(iter(data.val_dataloader()))
    next(iter(data.test_dataloader()))
    assert data.ledger == [("val", 0), ("val", 1), ("test", 0), ("test", 1)]


@pytest.mark.parametrize(
    "value", [1, 1.0, torch.tensor(1.0), np.float32(1), torch.ones(1)]
)
def test_numbers_of_all_kinds_are_numbers(value):
    assert as_number("it", value) == 1.0


@pytest.mark.parametrize(
    "value", [None, "1", [1], {"test_acc": 1.0}, True, torch.ones(2)]
)
def test_what_is_no_number_is_the_learners_mistake(value):
    with pytest.raises(LearnerError, match="Expected it to be a number but got"):
        as_number("it", value)


def test_a_known_wrong_score_gets_its_sentence():
    wrong = {"That is the last.": 0.4, "That is the first.": 0.1}
    assert score_is("acc", 0.7, 0.7, wrong).ok
    assert score_is("acc", 0.1, 0.7, wrong).remedy == "That is the first."
    finding = score_is("acc", 0.3, 0.7, wrong)
    assert (finding.ok, finding.seen) == (False, "You report 0.300, right is 0.700.")
    assert "Count over all test images" in finding.remedy
