"""The guards of the lessons: each raises an error where a practice is not kept.

Made by ``make sync`` from the notebooks; change a guard there. Each is tried in its
lesson on a bad and a good version. Where a guard holds a number or a name that suits
the lesson only (a limit, a precision, a field of the batch), copy it and change that.
"""

import contextlib
import doctest
import inspect
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.profilers import SimpleProfiler
from torch import Tensor, nn

__all__ = [
    "ComparesTheNorm",
    "EnoughUpdates",
    "HoldsNoGraph",
    "KeepsTheLimit",
    "MonitoredNamesSaySplit",
    "NeedsBenchmarkMode",
    "NothingMoves",
    "OptimizesTheModel",
    "RateIsTheOneOnRecord",
    "RefusesNan",
    "RefusesOneClass",
    "RefusesToRestart",
    "RequiresABestCheckpoint",
    "RequiresALoss",
    "RequiresDeterminism",
    "RequiresPrecision",
    "RequiresTheNewest",
    "RequiresUntouchedBatch",
    "RequiresWarmUp",
    "SchedulerIsStepped",
    "TestsAFile",
    "TrainsInFourBytes",
    "Untouched",
    "UpdatesBy256",
    "UsesAllBatches",
    "assert_batches_of_bytes",
    "assert_by_step_and_epoch",
    "assert_continues",
    "assert_equal_on_all_ranks",
    "assert_eval_mode",
    "assert_examples_pass",
    "assert_free_of_batch_size",
    "assert_hparams_load",
    "assert_little_waiting",
    "assert_moves",
    "assert_names_no_device",
    "assert_not_waiting",
    "assert_refuses_a_column",
    "assert_reload_keeps_predictions",
    "assert_repeatable",
    "assert_same_split",
    "assert_saves_at_most",
    "assert_saves_its_tensors",
    "assert_survives_reload",
    "fit_strictly",
    "load_all",
    "trainer_after_dry_run",
    "validate_strictly",
]


def assert_eval_mode(model: nn.Module) -> None:
    """Practice 0.1: Switch to evaluation mode before you measure.

    Call this one at the start of a measurement; it raises an error if a part is in
    training mode.

    Lesson 00_start_here.
    """
    training = [name for name, part in model.named_modules() if part.training]
    assert not training, f"{len(training)} parts are still in training mode"


def fit_strictly(trainer: L.Trainer, model: nn.Module, loader: Any) -> None:
    """Practice 1.1: Separate research from engineering.

    This one turns the warnings that you have just read into errors.

    Lesson 01_code_organization.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*returned `None`")
        trainer.fit(model, loader)


def assert_same_split(make_val_loader: Callable[[], Any]) -> None:
    """Practice 1.2: Keep the data and its split in a data module.

    Ask twice for the validation images, and require the same answer.

    Lesson 01_code_organization.
    """
    first, second = (set(make_val_loader().dataset.indices) for _ in range(2))
    new = len(second - first)
    assert not new, f"{new} validation images differ from those of the first call"


def load_all(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Practice 1.3: Keep models modular.

    If you load by name, let the tensors that found no place stop you.

    Lesson 01_code_organization.
    """
    missing, unexpected = model.load_state_dict(state, strict=False)
    print("left as they were:", missing)
    assert not unexpected, f"no place for {len(unexpected)} tensors: {unexpected[:2]}"


def assert_names_no_device(step: Callable[..., Any]) -> None:
    """Practice 2.1: Name no device.

    A test that reads the code of a step and refuses the name of a device in it. It
    needs neither a GPU nor this course. It does not follow the functions that the step
    calls: give it those as well.

    Lesson 02_device_agnosticism.
    """
    names = r"""\.cuda\(|["'](?:cuda|cpu|mps)(?::[^"']*)?["']"""
    named = re.findall(names, inspect.getsource(step))
    assert not named, f"{step.__qualname__} names a device: {named}"


class NothingMoves(torch.utils._python_dispatch.TorchDispatchMode):
    """Practice 2.2: Create tensors where the module is.

    A mode that stops a step when it moves a tensor. Run one training step under it,
    with module and batch on a GPU: `with NothingMoves(): model.training_step(batch,
    0)`. It also stops `torch.tensor([...], device=...)`, which copies from the CPU: a
    constant belongs in a buffer (2.3).

    Lesson 02_device_agnosticism.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.__name__ in ("_to_copy.default", "copy_.default"):  # (x,), (to, x)
            assert args[:2][-1].device == result.device, f"moved to {result.device}"
        return result


def assert_reload_keeps_predictions(
    model: nn.Module, fresh: nn.Module, images: Tensor
) -> None:
    """Practice 2.3: Register buffers.

    A test for every module: a fresh instance with the same `state_dict` predicts the
    same. Give it a *trained* model; an untrained one has nothing to lose. Keep all
    three on the CPU; both models end in evaluation mode.

    Lesson 02_device_agnosticism.
    """
    fresh.load_state_dict(model.state_dict())
    same = torch.equal(model.eval()(images), fresh.eval()(images))
    assert same, "after a reload, the predictions differ"


def assert_survives_reload(
    model: nn.Module, path: str | Path, images: Tensor, **not_in_file: Any
) -> None:
    """Practice 3.1: Save the hyperparameters.

    A test for your modules: reload a file that the model has just written, and compare
    the logits. Give it a model whose settings are *not* the defaults: with the
    defaults, the bad version passes, too. Arguments that are not in the file come last,
    by name. The images have to be on the CPU; the test leaves the model there, in
    evaluation mode.

    Lesson 03_hyperparameters.
    """
    load = type(model).load_from_checkpoint
    loaded = load(path, map_location="cpu", **not_in_file)
    equal = torch.equal(loaded.eval()(images), model.cpu().eval()(images))
    assert equal, f"{type(model).__name__} gives different logits after a reload"


def assert_hparams_load(model: nn.Module) -> None:
    """Practice 3.2: Leave objects out of the hyperparameters.

    Run this before the night's training, not after it. It reads the hyperparameters as
    `torch.load` will. Give it your data module as well, if that saves hyperparameters:
    they go into the same file. It sees only hyperparameters. A rate from NumPy that you
    ignored gets past it with the optimizer's state, and so does an object in the state
    of a callback. A lambda, which Lightning would leave out of the file, already fails
    in `torch.save`.

    Lesson 03_hyperparameters.
    """
    buffer = io.BytesIO()
    torch.save(dict(model.hparams), buffer)
    buffer.seek(0)
    torch.load(buffer, weights_only=True)  # raises UnpicklingError


class RateIsTheOneOnRecord(L.Callback):
    """Practice 3.3: Build the optimizer from the hyperparameters.

    A callback that compares the rate in use with `hparams.lr` before every step, in a
    new run and in a resumed one. It needs a hyperparameter called `lr`, and expects one
    rate for all parameters. With a scheduler from `torch.optim` it compares the rate
    that the schedule starts from. `OneCycleLR`, `CyclicLR`, `ReduceLROnPlateau` and a
    warm-up written by hand set the rate differently; leave the callback out there.

    Lesson 03_hyperparameters.
    """

    def on_before_optimizer_step(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        asked = pl_module.hparams.lr
        for group in optimizer.param_groups:
            used = group.get("initial_lr", group["lr"])  # a schedule starts from it
            assert used == asked, f"hparams say {asked}, the optimizer {used}"


def assert_by_step_and_epoch(trainer: L.Trainer, name: str = "train_loss") -> None:
    """Practice 4.1: Log steps and epochs.

    A metric logged by step and by epoch has two more names, which end in `_step` and
    `_epoch`. If a callback monitors a training metric, ask for both after the first
    epoch. (A metric logged with `on_step=False, on_epoch=True` is a mean too, but it
    has no step curve: leave the guard out there.)

    Lesson 04_logging.
    """
    missing = {f"{name}_step", f"{name}_epoch"} - trainer.callback_metrics.keys()
    assert not missing, f"{name} is not logged both by step and by epoch"


class MonitoredNamesSaySplit(L.Callback):
    """Practice 4.2: Give metrics structured names.

    A callback for the Trainer: what another callback monitors must begin with its split
    (`step` and `epoch`, which Lightning offers itself, have none). What a scheduler
    monitors, it does not see.

    Lesson 04_logging.
    """

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for callback in trainer.callbacks:
            name = getattr(callback, "monitor", None) or "step"
            split = name.startswith(("train", "val", "step", "epoch"))
            assert split, f"{name!r} of which split?"


def assert_equal_on_all_ranks(trainer: L.Trainer, name: str) -> None:
    """Practice 4.3: Sync metrics across processes.

    Call this where a number is about to decide something, in every process. It raises
    in all of them if they disagree. In one process it does nothing.

    Lesson 04_logging.
    """
    value = trainer.callback_metrics[name].detach().to(trainer.strategy.root_device)
    values = trainer.strategy.all_gather(value).flatten()
    equal = torch.allclose(values, values[:1], rtol=0, atol=0, equal_nan=True)
    assert equal, f"{name} differs between ranks"


class SchedulerIsStepped(L.Callback):
    """Practice 4.4: Say when the learning rate changes, and monitor it.

    `OneCycleLR` keeps the number of updates it expects in `total_steps`. Compare that
    with what the Trainer will do. Schedules without `total_steps` are let through.

    Lesson 04_logging.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for config in trainer.lr_scheduler_configs:
            steps = getattr(config.scheduler, "total_steps", 0)
            late = config.interval == "epoch" and steps > max(trainer.max_epochs, 0)
            assert not late, f"a schedule of {steps} steps is stepped by epoch"


def assert_repeatable(train: Callable[..., Any]) -> None:
    """Practice 5.1: Seed everything, in time.

    A test for your project. `train` builds a model, trains it for a few steps and
    returns it.

    Lesson 05_reproducibility.
    """
    first = train().state_dict()
    second = train().state_dict()
    same = [torch.equal(first[name], second[name]) for name in first]
    assert all(same), f"{same.count(False)} of {len(same)} tensors differ"


class RequiresDeterminism(L.Callback):
    """Practice 5.2: Ask for deterministic operations.

    A callback for runs that must be repeatable: it stops a Trainer that was built
    without the flag.

    Lesson 05_reproducibility.
    """

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        on = torch.are_deterministic_algorithms_enabled()
        assert on, "Expected Trainer(deterministic=True)."
        assert not torch.backends.cudnn.benchmark, "Expected benchmark=False."


def assert_continues(make_loader: Callable[[], Any]) -> None:
    """Practice 5.3: Save the random state, and the place in the data.

    A test for the loader of your project: a second loader, given the state of the
    first, must deliver what comes next.

    Lesson 05_reproducibility.
    """
    first, second = make_loader(), make_loader()
    batches = iter(first)
    next(batches)
    second.load_state_dict(first.state_dict())
    assert all(map(torch.equal, next(iter(second)), next(batches))), "a wrong batch"


def trainer_after_dry_run(
    make_model: Callable[[], Any], datamodule: L.LightningDataModule, **flags: Any
) -> Any:
    """Practice 6.1: Dry-run with fast_dev_run.

    A dry run of a second model, then the Trainer for the real run. They share the
    callbacks in `flags`.

    Lesson 06_debugging.
    """
    thrown_away = make_model()
    L.Trainer(**{**flags, "fast_dev_run": True}).fit(thrown_away, datamodule=datamodule)
    return L.Trainer(**flags)


class UsesAllBatches(L.Callback):
    """Practice 6.2: Limit the batches.

    A callback that refuses a limit left over from a rehearsal. (For a single loader
    that has a length.)

    Lesson 06_debugging.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        used, there = trainer.num_training_batches, len(trainer.train_dataloader)
        assert used == there, f"{used} of {there} batches per epoch: draw a Subset."


class RefusesNan(L.Callback):
    """Practice 6.3: Detect anomalies.

    One look per epoch tells you when to switch anomaly detection on.

    Lesson 06_debugging.
    """

    def on_train_epoch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        for name, weight in pl_module.named_parameters():
            assert weight.isfinite().all(), f"{name} is not finite: detect_anomaly=True"


class RefusesOneClass(L.Callback):
    """Practice 6.4: Overfit a small batch.

    A callback for every Trainer with `overfit_batches`. It expects batches of inputs
    and labels.

    Lesson 06_debugging.
    """

    def on_train_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.overfit_batches:
            classes = batch[1].unique().numel()
            assert classes > 1, "one class in the batch: a pass would prove nothing"


def assert_not_waiting(profiler: SimpleProfiler, most: float = 0.5) -> None:
    """Practice 6.5: Profile before you optimize.

    Call this with `trainer.profiler` after a hundred batches or so with
    `profiler="simple"`.

    Lesson 06_debugging.
    """
    rows = profiler.recorded_durations.items()
    took = {action.split(".")[-1]: sum(each) for action, each in rows}
    share = took["train_dataloader_next"] / took["run_training_epoch"]
    assert share < most, f"a share of {share:.2f} of the epoch waits for data"


class RequiresPrecision(L.Callback):
    """Practice 7.1: Mixed precision, counted over the whole step.

    A callback for a precision that was forgotten or replaced.

    Lesson 07_memory.
    """

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        got = trainer.precision
        assert got == "bf16-mixed", f"Expected bf16-mixed but got {got}."


class UpdatesBy256(L.Callback):
    """Practice 7.2: Accumulate gradients.

    A callback that checks the size of an update: batch, times accumulation, times
    processes. (For a single loader of known length; a smaller last batch passes.)

    Lesson 07_memory.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        size = trainer.train_dataloader.batch_size * trainer.accumulate_grad_batches
        assert size * trainer.world_size == 256, f"An update uses {size} images."
        left = trainer.num_training_batches % trainer.accumulate_grad_batches
        assert not left, f"The last update has {left} batches, divided as if complete."


def assert_saves_at_most(megabytes: float, model: nn.Module, images: Tensor) -> None:
    """Practice 7.3: Checkpoint activations.

    A test that checkpointing takes effect at all: some libraries skip it in evaluation
    mode without a word. It counts what a forward pass saves, weights included.

    Lesson 07_memory.
    """
    sizes = {}
    hooks = torch.autograd.graph.saved_tensors_hooks
    with hooks(lambda t: sizes.update({t.data_ptr(): t.nbytes}) or t, lambda t: t):
        _ = model(images)
    assert sum(sizes.values()) < megabytes * 2**20, "Too much is saved for backward."


class HoldsNoGraph(L.Callback):
    """Practice 7.4: Let go of what you collect.

    A callback that searches the attributes of the module and of its parts after every
    batch, lists and dicts included.

    Lesson 07_memory.
    """

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        parts = [vars(module) for module in pl_module.modules()]
        held = torch.utils._pytree.tree_leaves(parts)
        graphs = [t for t in held if getattr(t, "grad_fn", None) is not None]
        assert not graphs, f"The module holds {len(graphs)} graph(s)."


class TrainsInFourBytes(L.Callback):
    """Practice 7.5: Choose the data type.

    A callback that stops a run whose trained weights are not float32.

    Lesson 07_memory.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        kinds = {p.dtype for p in pl_module.parameters() if p.requires_grad}
        assert kinds == {torch.float32}, f"The weights to train are {kinds}."


class KeepsTheLimit(L.Callback):
    """Practice 8.1: Clip gradients by norm.

    A callback that checks what the optimizer used, *after* clipping. For a test run: on
    a GPU it waits for the device once per update. Not for `precision="16-mixed"`: an
    update that the scaler skips fails the check.

    Lesson 08_training_stability.
    """

    def on_before_zero_grad(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        assert norm <= 1.001, f"Expected a norm of at most 1 but got {norm:.2f}."


class RequiresWarmUp(L.Callback):
    """Practice 8.2: Warm up the learning rate.

    A callback for one optimizer. It stops a run in its second update if the rate does
    not rise, for example because the scheduler steps once per epoch.

    Lesson 08_training_stability.
    """

    def on_before_optimizer_step(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        rate = optimizer.param_groups[0]["lr"]
        if trainer.global_step == 1:
            assert rate > self.first, "Expected a rising rate."
        self.first = rate


class ComparesTheNorm(L.Callback):
    """Practice 8.3: Monitor gradients.

    A callback for a test run: after every batch, `grad_norm_step` must be the norm of
    the latest update. Lightning uses this name if you log `grad_norm` with `on_step`
    *and* `on_epoch`. With a limit of infinity, `clip_grad_norm_` clips nothing and
    returns the norm.

    Lesson 08_training_stability.
    """

    def on_before_optimizer_step(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self.norm = nn.utils.clip_grad_norm_(module.parameters(), torch.inf)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        logged = trainer.callback_metrics.get("grad_norm_step")
        assert logged == getattr(self, "norm", None), f"Not the norm used: {logged}."


class RequiresABestCheckpoint(L.Callback):
    """Practice 8.4: Stop early, and keep the best weights.

    A callback that refuses to train when the run stops early and nothing keeps the best
    weights.

    Lesson 08_training_stability.
    """

    def on_fit_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        keepers = [each for each in trainer.checkpoint_callbacks if each.save_top_k]
        kept = {(each.monitor, each.mode) for each in keepers}
        for stop in trainer.early_stopping_callbacks:
            assert (stop.monitor, stop.mode) in kept, f"Keep the best {stop.monitor}."


class RequiresTheNewest(L.Callback):
    """Practice 9.1: Keep the best and the last.

    When an epoch starts, the one before must be on the disk. (`mmap=True` reads the
    counter, not the weights.)

    Lesson 09_checkpointing.
    """

    def on_train_epoch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        files = Path(trainer.checkpoint_callback.dirpath).glob("*.ckpt")
        steps = [torch.load(file, mmap=True)["global_step"] for file in files]
        kept = trainer.global_step in (0, *steps)
        assert kept, "a kill now would cost at least one finished epoch"


class RefusesToRestart(L.Callback):
    """Practice 9.2: Resume, do not restart.

    This callback refuses to start from scratch in a folder that holds a `last*.ckpt`.

    Lesson 09_checkpointing.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        folder = trainer.checkpoint_callback.dirpath
        found = [file.name for file in Path(folder).glob("last*.ckpt")]
        assert trainer.global_step or not found, f"resume from {found}, or move it"


def assert_saves_its_tensors(module: L.LightningModule) -> None:
    """Practice 9.3: Save your own state.

    For a test: no part of the module keeps a tensor in a plain attribute. (It does not
    look into lists, and does not know your hooks.)

    Lesson 09_checkpointing.
    """
    parts = [vars(part).items() for part in module.modules()]
    loose = [name for part in parts for name, x in part if isinstance(x, torch.Tensor)]
    assert not loose, f"tensors that no checkpoint holds: {loose}"


class TestsAFile(L.Callback):
    """Practice 10.1: Keep training and test apart.

    A callback for the Trainer. It stops a test of the weights in memory; a test that
    names a file passes. Leave it out where you test the last weights on purpose, or a
    model that you have loaded yourself.

    Lesson 10_evaluation.
    """

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert trainer.ckpt_path, "testing the weights in memory, not a checkpoint"


class Untouched:
    """Practice 10.2: Select on validation.

    Hand this to your code in place of the test set until nothing is left to choose: as
    the dataset of the test loader, or as the list of scores. Code that reads it stops.

    Lesson 10_evaluation.
    """

    def read(self, *_: Any) -> None:
        raise AssertionError("the test set is read before the choice is made")

    __getattr__ = __getitem__ = __iter__ = __len__ = read


def assert_refuses_a_column(loss: Callable[..., Any]) -> None:
    """Practice 11.1: Type hints that are checked.

    A test for the losses and metrics of your project: they must refuse a column of
    predictions.

    Lesson 11_code_quality.
    """
    with contextlib.suppress(RuntimeError, TypeError, ValueError):
        value = loss(torch.zeros(4, 1), torch.zeros(4))
        raise AssertionError(f"(4, 1) and (4,) gave {value}, expected an error")


def assert_examples_pass(thing: Any, **names: Any) -> None:
    """Practice 11.2: Docstrings that run.

    A test that a docstring has examples and that they pass.

    Lesson 11_code_quality.
    """
    examples = doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder().find(thing, extraglobs=names):
        examples.run(test, out=lambda text: None)
    assert examples.tries, f"{thing.__qualname__} has no example"
    assert not examples.failures, f"{examples.failures} of {examples.tries} failed"


class OptimizesTheModel(L.Callback):
    """Practice 11.3: Properties instead of stale attributes.

    A callback that stops a run if a tensor that can be trained is in no optimizer.

    Lesson 11_code_quality.
    """

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        groups = [g for each in trainer.optimizers for g in each.param_groups]
        held = {id(p) for group in groups for p in group["params"]}
        due = {id(p) for p in pl_module.parameters() if p.requires_grad}
        assert due <= held, f"no optimizer holds {len(due - held)} trainable tensors"


class RequiresALoss(L.Callback):
    """Practice 12.1: Return the loss.

    A callback that stops a run if ten steps in a row return `None` (not for manual
    optimization).

    Lesson 12_common_pitfalls.
    """

    skipped = 0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.skipped = 0 if outputs else self.skipped + 1
        assert self.skipped < 10, "training_step returned None ten times in a row"


def validate_strictly(trainer: L.Trainer, model: nn.Module, loader: Any) -> Any:
    """Practice 12.2: Sync metrics across processes.

    Turn the warning into an error. A process warns once per name, so call this before
    `fit` or any other validation.

    Lesson 12_common_pitfalls.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*sync_dist=True")
        return trainer.validate(model, loader, verbose=False)


def assert_moves(module: L.LightningModule, batch: Any) -> None:
    """Practice 12.3: Leave the device to Lightning.

    A test that needs no GPU: the `meta` device stores no values. Replace `images` by
    each field of your batch.

    Lesson 12_common_pitfalls.
    """
    moved = module.transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert moved.images.is_meta, f"{type(batch).__name__} stays on the CPU"


def assert_free_of_batch_size(
    validate: Callable[..., Any], sizes: tuple[int, int] = (128, 50)
) -> None:
    """Practice 12.4: Log with self.log.

    The same images must give the same number with any batch size. `validate` takes a
    batch size and returns what you report.

    Lesson 12_common_pitfalls.
    """
    first, second = (validate(size) for size in sizes)
    assert abs(first - second) < 1e-4, f"batch size matters: {first:.3f}, {second:.3f}"


class RequiresUntouchedBatch(L.Callback):
    """Practice 12.5: Leave the batch as it came.

    A callback for a short run, as it copies every batch. It expects a tuple or a list
    of tensors; `nan` counts as equal to `nan`.

    Lesson 12_common_pitfalls.
    """

    def on_train_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.before = [tensor.clone() for tensor in batch]

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        same = {"rtol": 0, "atol": 0, "equal_nan": True, "msg": "the batch changed"}
        torch.testing.assert_close(list(batch), self.before, **same)


def assert_little_waiting(profiler: SimpleProfiler) -> None:
    """Practice 13.1: Choose workers by the clock.

    Lightning's `SimpleProfiler` times every wait for a batch. Train with
    `L.Trainer(profiler=profiler)`, then call this guard. It leaves out the first batch,
    for which workers start. (On a GPU, steps may return early: profile a long run.)

    Lesson 13_performance.
    """
    taken = profiler.recorded_durations.items()
    total = {name: sum(times[1:]) for name, times in taken}
    waiting = total["[_TrainingEpochLoop].train_dataloader_next"]
    share = waiting / (waiting + total["run_training_batch"])
    assert share < 0.4, "Expected less than 40 % of the time spent waiting for data."


class NeedsBenchmarkMode(L.Callback):
    """Practice 13.2: Turn benchmark mode off again.

    A callback that knows which mode a run needs.

    Lesson 13_performance.
    """

    def __init__(self, needed: bool) -> None:
        self.needed = needed

    def on_train_batch_start(self, *_: Any) -> None:
        on = torch.backends.cudnn.benchmark
        assert on == self.needed, f"Expected benchmark={self.needed} but it is {on}."


class EnoughUpdates(L.Callback):
    """Practice 13.3: Treat the batch-size finder's answer as a limit.

    The Trainer estimates the updates before it starts (not for manual optimization).
    Choose the number for your own model.

    Lesson 13_performance.
    """

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        updates = trainer.estimated_stepping_batches
        assert updates >= 100, f"Expected at least 100 updates but there are {updates}."


def assert_batches_of_bytes(loader: Any) -> None:
    """Practice 13.4: Load batches, not images.

    Look at what your loader hands out. (A `Subset` always has `__getitems__`: look at
    the dataset inside it.)

    Lesson 13_performance.
    """
    assert hasattr(loader.dataset, "__getitems__"), "Images are read one by one."
    images, _ = next(iter(loader))
    assert images.dtype == torch.uint8, f"Expected bytes but got {images.dtype}."
