"""The classifier that follows its script, held against a real Trainer's numbers."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from course_utils.exercises.lesson_10.scripted_scores import (
    TEST_COUNT,
    TEST_START,
    VAL_COUNT,
    ScriptedClassifier,
    numbered,
)
from course_utils.exercises.lesson_10.untouched_test_set import WatchedData
from course_utils.hardware import quiet_trainer

VAL, TEST = (0.1, 0.5, 0.8), (0.2, 0.9, 0.4)


def trainer(**options):
    return L.Trainer(**quiet_trainer(accelerator="cpu", **options))


@pytest.mark.parametrize("size", [1, 16, 100])
@pytest.mark.parametrize("epochs", [1, 2])
def test_accuracy_after_each_epoch_is_the_scripted_one(epochs, size):
    model, data = ScriptedClassifier(VAL, TEST), WatchedData(batch_size=size)
    trainer(max_epochs=epochs).fit(model, datamodule=data)
    [val] = trainer().validate(model, data, verbose=False)
    [test] = trainer().test(model, data, verbose=False)
    assert val["val_acc"] == pytest.approx(VAL[epochs])
    assert test["test_acc"] == pytest.approx(TEST[epochs])


def test_an_untrained_one_has_the_first_scores():
    model = ScriptedClassifier(VAL, TEST)
    images, labels = numbered(TEST_COUNT, TEST_START)
    right = (model(images).argmax(1) == labels).float().mean().item()
    assert right == pytest.approx(TEST[0])


def test_after_the_script_the_last_score_holds():
    model = ScriptedClassifier((0.1, 0.5), (0.1, 0.5))
    trainer(max_epochs=4).fit(model, datamodule=WatchedData())
    [val] = trainer().validate(model, WatchedData(), verbose=False)
    assert (int(model.age), val["val_acc"]) == (4, pytest.approx(0.5))


def test_shuffled_images_are_scored_the_same():
    batch = numbered(VAL_COUNT)
    order = torch.randperm(VAL_COUNT, generator=torch.Generator().manual_seed(1))
    shuffled = TensorDataset(*(part[order] for part in batch))
    loader = DataLoader(shuffled, batch_size=7)
    [val] = trainer().validate(ScriptedClassifier((0.7,)), loader, verbose=False)
    assert val["val_acc"] == pytest.approx(0.7)


def test_a_mean_over_unequal_batches_differs_so_that_the_mistake_shows():
    images, labels = numbered(VAL_COUNT)
    preds = ScriptedClassifier((0.7,))(images).argmax(1)
    right = (preds == labels).float().split(16)
    assert sum(part.mean().item() for part in right) / 3 != pytest.approx(0.7, abs=0.01)


def test_its_checkpoint_loads_without_arguments_and_knows_its_age(tmp_path):
    fit = trainer(max_epochs=2)
    fit.fit(ScriptedClassifier(VAL, TEST), datamodule=WatchedData())
    fit.save_checkpoint(tmp_path / "model.ckpt")
    loaded = ScriptedClassifier.load_from_checkpoint(tmp_path / "model.ckpt")
    assert (int(loaded.age), loaded.val, loaded.test) == (2, list(VAL), list(TEST))
