"""Every guard can be imported, stops what it should, and lets the rest pass."""

import contextlib
import warnings
from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace as Fake

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from course_utils import guards, syllabus

PRACTICES = [p for lesson in syllabus.load().lessons for p in lesson.practices]
ONE = torch.ones(1)
HALF = nn.Linear(2, 2).half()
LINEAR = nn.Linear(2, 2)
NAN = nn.Linear(2, 2)
nn.init.constant_(NAN.weight, torch.nan)
ROWS = TensorDataset(torch.zeros(8, 2))


class Adds(nn.Module):
    def forward(self, x):
        return x + 1


def with_attribute() -> nn.Module:
    module = nn.Linear(2, 2)
    module.table = torch.ones(2)
    return module


def with_graph() -> nn.Module:
    module = nn.Linear(2, 2)
    module.losses = [module(torch.ones(2)).sum()]
    return module


def warns(text: str):
    def warn(*_, **options):
        warnings.warn(text, stacklevel=1)

    return Fake(fit=warn, validate=warn)


def names_it(self):
    return self.to("cuda:0")


def names_none(self):
    return self


def with_example():
    """One.

    >>> 1 + 1
    2
    """


def hook(guard: type, name: str, trainer, module=None, *rest):
    return lambda: getattr(guard(), name)(trainer, module, *rest)


def subset(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(Subset(ROWS, torch.randperm(8, generator=generator)[:4].tolist()))


def seeds(*values: int):
    left = iter(values)
    return lambda: subset(next(left))


def group(lr: float = 0.1, module: nn.Module = LINEAR):
    return torch.optim.SGD(module.parameters(), lr=lr)


def moves(device: str):
    with guards.NothingMoves():
        torch.ones(2).to(device)


def profiler(wait: float):
    times = {"[_TrainingEpochLoop].train_dataloader_next": [9.0, wait]}
    times |= {"run_training_epoch": [10.0], "run_training_batch": [0.0, 1.0]}
    return Fake(recorded_durations=times)


def gathers(*values: float):
    strategy = Fake(root_device="cpu", all_gather=lambda value: torch.tensor(values))
    return Fake(callback_metrics={"val": ONE}, strategy=strategy)


def schedule(interval: str):
    config = Fake(scheduler=Fake(total_steps=100), interval=interval)
    return Fake(lr_scheduler_configs=[config], max_epochs=3)


def counts(used: int, there: int, **more):
    options = {"batch_size": 64, "dataset": None}
    loader = type("Loader", (), {"__len__": lambda self: there, **options})()
    return Fake(num_training_batches=used, train_dataloader=loader, **more)


def updates(accumulate: int):
    return counts(8, 8, accumulate_grad_batches=accumulate, world_size=1)


def rates(first: float, second: float):
    guard = guards.RequiresWarmUp()
    for step, rate in enumerate((first, second)):
        guard.on_before_optimizer_step(Fake(global_step=step), None, group(rate))


def norms(logged: float):
    module, guard = nn.Linear(2, 2), guards.ComparesTheNorm()
    module.weight.grad = torch.eye(2)
    guard.on_before_optimizer_step(None, module, None)
    metrics = {"grad_norm_step": torch.tensor(logged)}
    guard.on_train_batch_end(Fake(callback_metrics=metrics))


def limits(norm: float):
    module = nn.Linear(2, 2)
    module.weight.grad = torch.tensor([[norm, 0.0], [0.0, 0.0]])
    guards.KeepsTheLimit().on_before_zero_grad(None, module, None)


def stops(kept: str):
    keeper = Fake(monitor=kept, mode="min", save_top_k=1)
    stop = Fake(monitor="val_loss", mode="min")
    return Fake(checkpoint_callbacks=[keeper], early_stopping_callbacks=[stop])


def losses(*values):
    guard = guards.RequiresALoss()
    for value in values:
        guard.on_train_batch_end(None, None, value, None, 0)


def batch_after(value: float):
    batch, guard = [torch.zeros(2)], guards.RequiresUntouchedBatch()
    guard.on_train_batch_start(None, None, batch, 0)
    batch[0] += value
    guard.on_train_batch_end(None, None, None, batch, 0)


class Dataset(list):
    dtype = torch.uint8

    def __getitems__(self, indices):
        return [(torch.zeros(2, dtype=self.dtype), 0) for _ in indices]


class Floats(Dataset):
    dtype = torch.float32


class Hparams(L.LightningModule):
    def __init__(self, size: int = 1, what: object = None):
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(2, size)

    def forward(self, x):
        return self.layer(x)


class Reloads(Hparams):
    change = 0.0

    @classmethod
    def load_from_checkpoint(cls, path, map_location, **more):
        loaded = cls()
        loaded.load_state_dict(path)
        with torch.no_grad():
            loaded.layer.weight += cls.change
        return loaded


class ReloadsAnother(Reloads):
    change = 1.0


def reload(kind: type):
    model = kind()
    guards.assert_survives_reload(model, model.state_dict(), torch.ones(1, 2))


class Moves:
    def __init__(self, device: str):
        self.device = device

    def transfer_batch_to_device(self, batch, device, index):
        return Fake(images=torch.ones(2, device=self.device))


class Stateful(DataLoader):
    skips = 0

    def state_dict(self):
        return {"at": 1}

    def load_state_dict(self, state):
        self.at = state["at"] * self.skips

    def __iter__(self):
        rows = [[torch.full((2,), float(i))] for i in range(4)]
        return iter(rows[getattr(self, "at", 0) :])


class Returns(Stateful):
    skips = 1


def dry(fails: bool):
    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def training_step(self, batch, batch_idx):
            return self.layer(batch[0]).sum()

        def on_train_epoch_end(self):
            assert not fails

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

        def train_dataloader(self):
            return DataLoader(ROWS)

    quiet = {"logger": False, "enable_checkpointing": False, "accelerator": "cpu",
             "enable_model_summary": False, "enable_progress_bar": False}  # fmt: skip
    guards.trainer_after_dry_run(Module, None, **quiet)


def saved(tmp: Path, step: int, name: str = "last.ckpt"):
    tmp.mkdir(exist_ok=True)
    torch.save({"global_step": 5}, tmp / name)
    return Fake(global_step=step, checkpoint_callback=Fake(dirpath=str(tmp)))


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def fully_deterministic():
    with deterministic():
        guards.RequiresDeterminism().on_fit_start(None, None)


def only_one_class(*labels: int):
    batch = [None, torch.tensor(labels)]
    return hook(guards.RefusesOneClass, "on_train_batch_start",
                Fake(overfit_batches=1), None, batch, 0)  # fmt: skip


def refuses(shapes: bool):
    def loss(preds, target):
        if shapes and preds.shape != target.shape:
            raise ValueError
        return (preds - target).mean()

    return lambda: guards.assert_refuses_a_column(loss)


def optimized(module: nn.Module):
    trainer = Fake(optimizers=[group(module=LINEAR)])
    return hook(guards.OptimizesTheModel, "on_fit_start", trainer, module)


# By practice: what must be stopped, and what must pass.
CASES = {
    "0.1": (lambda: guards.assert_eval_mode(nn.Linear(1, 1)),
            lambda: guards.assert_eval_mode(nn.Linear(1, 1).eval())),
    "1.1": (lambda: guards.fit_strictly(warns("it returned `None`"), None, None),
            lambda: guards.fit_strictly(Fake(fit=lambda *_: None), None, None)),
    "1.2": (lambda: guards.assert_same_split(seeds(0, 1)),
            lambda: guards.assert_same_split(seeds(0, 0))),
    "1.3": (lambda: guards.load_all(LINEAR, {"other": ONE}),
            lambda: guards.load_all(LINEAR, {"bias": torch.ones(2)})),
    "2.1": (lambda: guards.assert_names_no_device(names_it),
            lambda: guards.assert_names_no_device(names_none)),
    "2.2": (lambda: moves("meta"), lambda: moves("cpu")),
    "2.3": (lambda: guards.assert_reload_keeps_predictions(
                nn.Identity(), Adds(), ONE),
            lambda: guards.assert_reload_keeps_predictions(
                nn.Linear(1, 1), nn.Linear(1, 1), ONE)),
    "3.1": (lambda: reload(ReloadsAnother), lambda: reload(Reloads)),
    "3.2": (lambda: guards.assert_hparams_load(Hparams(what=Fake())),
            lambda: guards.assert_hparams_load(Hparams(what=1))),
    "3.3": (hook(guards.RateIsTheOneOnRecord, "on_before_optimizer_step", None,
                 Fake(hparams=Fake(lr=0.2)), group()),
            hook(guards.RateIsTheOneOnRecord, "on_before_optimizer_step", None,
                 Fake(hparams=Fake(lr=0.1)), group())),
    "4.1": (lambda: guards.assert_by_step_and_epoch(
                Fake(callback_metrics={"train_loss_step": 1})),
            lambda: guards.assert_by_step_and_epoch(
                Fake(callback_metrics={"a_step": 1, "a_epoch": 1}), "a")),
    "4.2": (hook(guards.MonitoredNamesSaySplit, "on_fit_start",
                 Fake(callbacks=[Fake(monitor="loss")])),
            hook(guards.MonitoredNamesSaySplit, "on_fit_start",
                 Fake(callbacks=[Fake(monitor="val_loss"), Fake()]))),
    "4.3": (lambda: guards.assert_equal_on_all_ranks(gathers(1, 2), "val"),
            lambda: guards.assert_equal_on_all_ranks(gathers(1, 1), "val")),
    "4.4": (hook(guards.SchedulerIsStepped, "on_train_start", schedule("epoch")),
            hook(guards.SchedulerIsStepped, "on_train_start", schedule("step"))),
    "5.1": (lambda: guards.assert_repeatable(lambda: nn.Linear(2, 2)),
            lambda: guards.assert_repeatable(lambda: LINEAR)),
    "5.2": (hook(guards.RequiresDeterminism, "on_fit_start", None),
            fully_deterministic),
    "5.3": (lambda: guards.assert_continues(lambda: Stateful(ROWS)),
            lambda: guards.assert_continues(lambda: Returns(ROWS))),
    "6.1": (lambda: dry(fails=True), lambda: dry(fails=False)),
    "6.2": (hook(guards.UsesAllBatches, "on_train_start", counts(4, 8)),
            hook(guards.UsesAllBatches, "on_train_start", counts(8, 8))),
    "6.3": (hook(guards.RefusesNan, "on_train_epoch_end", None, NAN),
            hook(guards.RefusesNan, "on_train_epoch_end", None, LINEAR)),
    "6.4": (only_one_class(3, 3), only_one_class(3, 4)),
    "6.5": (lambda: guards.assert_not_waiting(profiler(1.0)),
            lambda: guards.assert_not_waiting(profiler(-8.0))),
    "7.1": (hook(guards.RequiresPrecision, "on_fit_start", Fake(precision="32-true")),
            hook(guards.RequiresPrecision, "on_fit_start",
                 Fake(precision="bf16-mixed"))),
    "7.2": (hook(guards.UpdatesBy256, "on_train_start", updates(1)),
            hook(guards.UpdatesBy256, "on_train_start", updates(4))),
    "7.3": (lambda: guards.assert_saves_at_most(1e-6, LINEAR, torch.ones(9, 2)),
            lambda: guards.assert_saves_at_most(1, LINEAR, torch.ones(9, 2))),
    "7.4": (hook(guards.HoldsNoGraph, "on_train_batch_end", None, with_graph()),
            hook(guards.HoldsNoGraph, "on_train_batch_end", None, LINEAR)),
    "7.5": (hook(guards.TrainsInFourBytes, "on_train_start", None, HALF),
            hook(guards.TrainsInFourBytes, "on_train_start", None, LINEAR)),
    "8.1": (lambda: limits(2.0), lambda: limits(1.0)),
    "8.2": (lambda: rates(0.1, 0.1), lambda: rates(0.1, 0.2)),
    "8.3": (lambda: norms(1.0), lambda: norms(2**0.5)),
    "8.4": (hook(guards.RequiresABestCheckpoint, "on_fit_start", stops("train_loss")),
            hook(guards.RequiresABestCheckpoint, "on_fit_start", stops("val_loss"))),
    "10.1": (hook(guards.TestsAFile, "on_test_start", Fake(ckpt_path=None)),
             hook(guards.TestsAFile, "on_test_start", Fake(ckpt_path="a.ckpt"))),
    "10.2": (lambda: len(guards.Untouched()), guards.Untouched),
    "11.1": (refuses(shapes=False), refuses(shapes=True)),
    "11.2": (lambda: guards.assert_examples_pass(names_none),
             lambda: guards.assert_examples_pass(with_example)),
    "11.3": (optimized(HALF), optimized(LINEAR)),
    "12.1": (lambda: losses(*[None] * 10), lambda: losses(*[None] * 9, ONE, None)),
    "12.2": (lambda: guards.validate_strictly(warns("use sync_dist=True"), None, None),
             lambda: guards.validate_strictly(
                 Fake(validate=lambda *_, **options: None), None, None)),
    "12.3": (lambda: guards.assert_moves(Moves("cpu"), None),
             lambda: guards.assert_moves(Moves("meta"), None)),
    "12.4": (lambda: guards.assert_free_of_batch_size(lambda size: size / 10),
             lambda: guards.assert_free_of_batch_size(lambda size: 1.0)),
    "12.5": (lambda: batch_after(1), lambda: batch_after(0)),
    "13.1": (lambda: guards.assert_little_waiting(profiler(1.0)),
             lambda: guards.assert_little_waiting(profiler(0.1))),
    "13.2": (lambda: guards.NeedsBenchmarkMode(True).on_train_batch_start(),
             lambda: guards.NeedsBenchmarkMode(False).on_train_batch_start()),
    "13.3": (hook(guards.EnoughUpdates, "on_fit_start",
                  Fake(estimated_stepping_batches=9)),
             hook(guards.EnoughUpdates, "on_fit_start",
                  Fake(estimated_stepping_batches=100))),
    "13.4": (lambda: guards.assert_batches_of_bytes(DataLoader(Floats([0] * 4))),
             lambda: guards.assert_batches_of_bytes(DataLoader(Dataset([0] * 4)))),
}  # fmt: skip
# These read files.
WITH_FILES = {
    "9.1": ("RequiresTheNewest", "on_train_epoch_start", 6, 5),
    "9.2": ("RefusesToRestart", "on_train_start", 0, 5),
}


def test_there_is_one_for_each_practice_and_its_docstring_says_which():
    said = [getattr(guards, name).__doc__.split(":")[0] for name in guards.__all__]
    assert sorted(said) == sorted(f"Practice {p.id}" for p in PRACTICES)


def test_each_is_tried_here():
    cases = {*CASES, *WITH_FILES, "9.3"}
    assert cases == {p.id for p in PRACTICES}


@pytest.mark.parametrize(("bad", "good"), CASES.values(), ids=CASES)
def test_a_guard_stops_the_bad_version_and_lets_the_good_one_pass(bad, good):
    with pytest.raises((AssertionError, UserWarning, UnpicklingError)):
        bad()
    good()


@pytest.mark.parametrize(("guard", "name", "bad", "good"), WITH_FILES.values())
def test_a_guard_reads_the_checkpoints(guard, name, bad, good, tmp_path):
    guard = getattr(guards, guard)
    with pytest.raises(AssertionError):
        hook(guard, name, saved(tmp_path, bad))()
    hook(guard, name, saved(tmp_path, good))()


def test_a_guard_finds_tensors_that_no_checkpoint_holds():
    with pytest.raises(AssertionError, match="table"):
        guards.assert_saves_its_tensors(with_attribute())
    guards.assert_saves_its_tensors(LINEAR)
