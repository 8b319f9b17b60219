"""Scripted runs: what their callbacks leave on the disk, and what is said about it."""

from pathlib import Path

import lightning as L
import pytest
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_09.files_after_kill import Saved, left_when_killed
from course_utils.exercises.lesson_09.kept_checkpoints import (
    keeps_few,
    keeps_the_best,
    keeps_the_last,
)

EARLY_PEAK = [0.5, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2]  # best: 2, worst: 7
RISING = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]  # best: 7, worst: 1


def last(folder, **options):
    return ModelCheckpoint(
        dirpath=folder, filename="last", enable_version_counter=False, **options
    )


def best(folder, **options):
    options = {"monitor": "val_acc", "mode": "max", **options}
    return ModelCheckpoint(dirpath=folder, **options)


class SavesItself(L.Callback):
    """No ModelCheckpoint at all."""

    def __init__(self, folder):
        self.folder, self.top = Path(folder), 0.0

    def on_validation_end(self, trainer, pl_module):
        if trainer.sanity_checking:
            return
        trainer.save_checkpoint(self.folder / "newest.ckpt")
        score = float(trainer.callback_metrics["val_acc"])
        if score > self.top:
            self.top = score
            trainer.save_checkpoint(self.folder / "top.ckpt")


# name: callbacks, whether the last and the best epoch are kept on EARLY_PEAK
MADE = {
    "two callbacks": (lambda f: [best(f), last(f)], True, True),
    "in folders below": (lambda f: [best(f"{f}/b"), last(f"{f}/l")], True, True),
    "a callback of one's own": (lambda f: [SavesItself(f)], True, True),
    "every epoch": (lambda f: [best(f, save_top_k=-1)], True, True),
    "every step too": (
        lambda f: [best(f), last(f, every_n_train_steps=1)],
        True,
        True,
    ),
    "save_last": (lambda f: [best(f, save_last=True)], False, True),
    "a link": (lambda f: [best(f, save_last="link")], False, True),
    "three and save_last": (
        lambda f: [best(f, save_top_k=3, save_last=True)],
        False,
        True,
    ),
    "nothing but save_last": (
        lambda f: [best(f, save_top_k=0, save_last=True)],
        False,
        False,
    ),
    "upside down": (lambda f: [best(f, mode="min"), last(f)], True, False),
    "last only": (lambda f: [last(f)], True, False),
    "best only": (lambda f: [best(f)], False, True),
    "weights only": (
        lambda f: [best(f), last(f, save_weights_only=True)],
        False,
        True,
    ),
    "every second epoch": (lambda f: [best(f), last(f, every_n_epochs=2)], False, True),
    "on exception": (
        lambda f: [best(f), last(f, every_n_epochs=9, save_on_exception=True)],
        False,
        True,
    ),
    "nothing": (lambda f: [], False, False),
}


@pytest.mark.parametrize(("make", "keeps_last", "keeps_best"), MADE.values(), ids=MADE)
def test_last_and_best_are_found_on_the_disk(make, keeps_last, keeps_best):
    left = left_when_killed(make, "val_acc", EARLY_PEAK)
    found = keeps_the_last(left, len(EARLY_PEAK)), keeps_the_best(left, EARLY_PEAK)
    assert tuple(finding.ok for finding in found) == (keeps_last, keeps_best), found


def test_what_lightning_would_add_is_not_counted():
    left = left_when_killed(lambda f: [SavesItself(f)], "val_acc", EARLY_PEAK)
    assert [each.name for each in left] == ["newest.ckpt", "top.ckpt"]


def test_save_last_looks_right_while_every_epoch_is_better_than_all_before():
    left = left_when_killed(lambda f: [best(f, save_last=True)], "val_acc", RISING)
    assert keeps_the_last(left, len(RISING)).ok


def test_a_loss_is_best_where_it_is_least():
    def make(folder):
        return [ModelCheckpoint(dirpath=folder, monitor="val_loss")]

    left = left_when_killed(make, "val_loss", [0.9, 0.2, 0.5])
    assert keeps_the_best(left, [0.9, 0.2, 0.5], mode="min").ok


def test_the_files_are_told_with_their_epoch_and_what_they_hold():
    def make(folder):
        return [best(f"{folder}/b", filename="top"), last(folder)]

    left = left_when_killed(make, "val_acc", EARLY_PEAK)
    assert left == [
        Saved("b/top.ckpt", 2, whole=True, resumable=True),
        Saved("last.ckpt", 7, whole=True, resumable=True),
    ]


def test_a_file_from_the_midst_of_the_best_epoch_is_not_its_weights():
    left = [Saved("a.ckpt", 2, whole=False, resumable=True)]
    assert not keeps_the_best(left, EARLY_PEAK).ok


def test_a_missing_dirpath_leaves_nothing_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = left_when_killed(lambda f: [ModelCheckpoint()], "val_acc", RISING)
    assert keeps_the_last(left, len(RISING)).ok
    assert not list(tmp_path.iterdir())


def test_the_messages_say_what_was_lost():
    stale = left_when_killed(lambda f: [best(f, save_last=True)], "val_acc", EARLY_PEAK)
    assert "nothing newer than epoch 2" in keeps_the_last(stale, 7).seen
    assert "leaves nothing to go on from" in keeps_the_last([], 7).seen
    light = [Saved("a.ckpt", 7, whole=True, resumable=False)]
    assert "without what is needed to go on" in keeps_the_last(light, 7).seen
    wrong = [Saved("a.ckpt", 1, whole=True, resumable=True)]
    assert "but the worst, 1, is" in keeps_the_best(wrong, RISING).seen


def test_checkpoints_are_counted():
    left = left_when_killed(lambda f: [best(f, save_top_k=-1)], "val_acc", RISING)
    assert keeps_few(left, 7).ok
    finding = keeps_few(left, 2)
    assert (finding.ok, finding.seen) == (False, "The disk holds 7 checkpoints.")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: None, "Expected a list of callbacks but got NoneType"),
        (lambda f: 1 / 0, "Your function raised ZeroDivisionError"),
        (lambda f: [best(f, monitor="acc")], "MisconfigurationException"),
        (lambda f: [last(f), last(f)], "Training raised RuntimeError"),
        (
            lambda f: [EarlyStopping("val_acc", mode="max", patience=1)],
            "A callback ended the run early",
        ),
    ],
    ids=["no list", "raises", "another metric", "twice the same", "stops"],
)
def test_what_cannot_run_is_the_learners_error(make, message):
    with pytest.raises(LearnerError, match=message):
        left_when_killed(make, "val_acc", EARLY_PEAK)
