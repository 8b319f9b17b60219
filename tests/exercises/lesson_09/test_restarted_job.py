"""Jobs that are killed for real and called again, right ones and wrong ones."""

import os
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_09.killed_job import call
from course_utils.exercises.lesson_09.restarted_job import ends_as_if_never_killed
from course_utils.hardware import quiet_trainer

pytestmark = pytest.mark.slow


def trainer(*callbacks, max_epochs=4):
    options = quiet_trainer(accelerator="cpu", enable_checkpointing=bool(callbacks))
    return L.Trainer(max_epochs=max_epochs, callbacks=list(callbacks), **options)


def newest(folder, **options):
    return ModelCheckpoint(
        dirpath=folder, filename="last", enable_version_counter=False, **options
    )


def by_the_word_last(model, loader, folder):
    trainer(newest(folder)).fit(model, loader, ckpt_path="last")


def by_its_path(model, loader, folder):
    file = Path(folder, "last.ckpt")
    path = file if file.exists() else None
    trainer(newest(folder)).fit(model, loader, ckpt_path=path)


def newest_of_all_epochs(model, loader, folder):
    files = sorted(Path(folder).glob("*.ckpt"), key=os.path.getmtime)
    saves = ModelCheckpoint(dirpath=folder, save_top_k=-1)
    trainer(saves).fit(model, loader, ckpt_path=files[-1] if files else None)


class SavesEachEpoch(L.Callback):
    def __init__(self, file):
        self.file = file

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.save_checkpoint(self.file)


def without_model_checkpoint(model, loader, folder):
    file = Path(folder, "run")
    options = quiet_trainer(accelerator="cpu", callbacks=[SavesEachEpoch(file)])
    path = file if file.exists() else None
    L.Trainer(max_epochs=4, **options).fit(model, loader, ckpt_path=path)


def saves_at_the_end(model, loader, folder):
    run = trainer()
    run.fit(model, loader)
    run.save_checkpoint(f"{folder}/model.ckpt")


def restores_weights_only(model, loader, folder):
    if os.path.exists(f"{folder}/last.ckpt"):
        model.load_state_dict(torch.load(f"{folder}/last.ckpt")["state_dict"])
    trainer(newest(folder)).fit(model, loader)


def counts_the_epochs_left(model, loader, folder):
    epochs = 4
    if os.path.exists(f"{folder}/last.ckpt"):
        content = torch.load(f"{folder}/last.ckpt")
        model.load_state_dict(content["state_dict"])
        epochs -= content["epoch"] + 1
    trainer(newest(folder), max_epochs=epochs).fit(model, loader)


def resumes_from_mid_epoch(model, loader, folder):
    saves = newest(folder, every_n_train_steps=1)
    trainer(saves).fit(model, loader, ckpt_path="last")


def another_name(model, loader, folder):
    saves = ModelCheckpoint(dirpath=folder, filename="newest")
    trainer(saves).fit(model, loader, ckpt_path="last")


def saves_on_exception(model, loader, folder):
    saves = newest(folder, every_n_epochs=4, save_on_exception=True)
    trainer(saves).fit(model, loader, ckpt_path="last")


def seeds_anew(model, loader, folder):
    class SeedsEachCall(L.Callback):
        def on_train_start(self, trainer, pl_module):
            torch.manual_seed(0)

    trainer(newest(folder), SeedsEachCall()).fit(model, loader, ckpt_path="last")


def forgets_the_averages(model, loader, folder):
    class Forgets(L.Callback):
        def on_train_start(self, trainer, pl_module):
            trainer.optimizers[0].state.clear()

    trainer(newest(folder), Forgets()).fit(model, loader, ckpt_path="last")


def trains_one_epoch(model, loader, folder):
    trainer(newest(folder), max_epochs=1).fit(model, loader, ckpt_path="last")


def one_more_each_time(model, loader, folder):
    file = Path(folder, "last.ckpt")
    done = torch.load(file)["epoch"] + 1 if file.exists() else 0
    run = trainer(newest(folder), max_epochs=4 + (done == 4))
    run.fit(model, loader, ckpt_path=file if done else None)


def forgets_the_folder(model, loader, folder):
    saves = ModelCheckpoint(filename="last", enable_version_counter=False)
    trainer(saves).fit(model, loader, ckpt_path="last")


RIGHT = [
    by_the_word_last,
    by_its_path,
    newest_of_all_epochs,
    without_model_checkpoint,
]
WRONG = {
    saves_at_the_end: "Killed in epoch 2 of 4, the job leaves no file in its folder",
    forgets_the_folder: "Killed in epoch 2 of 4, the job leaves no file in its folder",
    restores_weights_only: "Killed in epoch 2 of 4, the job went on with epoch 1",
    counts_the_epochs_left: "Killed in epoch 2 of 4, the job went on with epoch 1",
    resumes_from_mid_epoch: "did not go on with the first batch of that epoch",
    another_name: "Killed in epoch 2 of 4, the job went on with epoch 1",
    saves_on_exception: "Killed in epoch 2 of 4, the job leaves no file in its folder",
    seeds_anew: "did not go on with the first batch of that epoch",
    forgets_the_averages: "Killed twice, the job ends with other weights",
    trains_one_epoch: "Never killed, the job makes 5 updates",
    one_more_each_time: "makes 5 updates more",
}


@pytest.mark.parametrize("job", RIGHT, ids=lambda job: job.__name__)
def test_a_right_job_ends_as_if_never_killed(job):
    found = list(ends_as_if_never_killed(job))
    assert len(found) == 5
    assert all(finding.ok and not finding.remedy for finding in found), found


@pytest.mark.parametrize(
    ("job", "seen"), WRONG.items(), ids=[job.__name__ for job in WRONG]
)
def test_a_wrong_job_is_told_what_it_does(job, seen):
    first = next(f for f in ends_as_if_never_killed(job) if not f.ok)
    assert seen in first.seen
    assert first.remedy


def test_a_job_that_keeps_its_files_elsewhere_is_told_so(tmp_path):
    def job(model, loader, folder):
        trainer(newest(tmp_path)).fit(model, loader, ckpt_path="last")

    first = next(f for f in ends_as_if_never_killed(job) if not f.ok)
    assert first.seen.startswith("With an empty folder, the job made no updates")
    assert first.remedy == "Read and write in `folder` alone."


def test_an_error_of_the_job_is_its_authors():
    def job(model, loader, folder):
        raise KeyError("last")

    with pytest.raises(LearnerError, match="Your function raised KeyError: 'last'"):
        list(ends_as_if_never_killed(job))


def test_a_call_returns_each_update_up_to_the_kill(tmp_path):
    made = call(by_the_word_last, tmp_path, seed=1, kill_after=8)
    assert [update.epoch for update in made] == [1] * 5 + [2] * 3
    first_epoch = [number for update in made[:5] for number in update.samples]
    assert sorted(first_epoch) == list(range(40))
    assert len({update.weights for update in made}) == 8
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["last.ckpt"]
