"""One training step of a module, with the hooks and helpers that a Trainer provides."""

import contextlib
import shutil
import tempfile
import weakref
from typing import Any
from unittest import mock

import lightning as L
import torch
from lightning import LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.signature_utils import is_param_in_hook_signature

from course_utils.checks.learner_code import LearnerError
from course_utils.hardware import quiet_trainer
from course_utils.measure import AnyLogger


def _ignore(*_: Any, **__: Any) -> None:
    """Stand in for what a single step cannot do, such as logging."""


def _call(module: LightningModule, hook: str, *arguments: Any) -> None:
    """Call a hook as Lightning does: first the callbacks', then the module's own."""
    for callback in module.trainer.callbacks:
        getattr(callback, hook)(module.trainer, module, *arguments)
    getattr(module, hook)(*arguments)


def attach(
    module: LightningModule, data: L.LightningDataModule | None = None
) -> LightningModule:
    """Give ``module`` a Trainer and the hooks that come before it is moved.

    The Trainer has the callbacks that the module itself configures, and no others. A
    module that asks what it is doing learns that it trains.
    Logging and manual backward passes do nothing from then on.

    Args:
        module: Is attached.
        data: What the module can ask ``trainer.datamodule`` for.
    """
    folder = tempfile.mkdtemp(prefix="course-")
    places = {"logger": AnyLogger(folder), "default_root_dir": folder}
    trainer = L.Trainer(**quiet_trainer(accelerator="cpu", **places))
    weakref.finalize(trainer, shutil.rmtree, folder, ignore_errors=True)
    trainer.state.fn, trainer.training = TrainerFn.FITTING, True
    trainer.strategy.connect(module)
    module.trainer = trainer
    if data is not None:
        trainer.datamodule, data.trainer = data, trainer
    module.log = module.log_dict = module.manual_backward = _ignore
    made = module.configure_callbacks() or []
    trainer.callbacks = [made] if isinstance(made, L.Callback) else [*made]
    _call(module, "setup", "fit")
    module.configure_model()
    return module


def detach(module: LightningModule) -> None:
    """Undo `attach`: the module has no Trainer, and can be copied."""
    module.trainer = None
    for name in ("log", "log_dict", "manual_backward"):
        delattr(module, name)


def _with_optimizers(module: LightningModule) -> None:
    # Only self.optimizers() needs them; a faulty configure_optimizers is not
    # what this step is about.
    with contextlib.suppress(Exception):
        module.trainer.strategy.setup_optimizers(module.trainer)


def _delivered(module: LightningModule, batch: Any, device: torch.device) -> Any:
    batch = module.on_before_batch_transfer(batch, 0)
    batch = module.transfer_batch_to_device(batch, device, 0)
    batch = module.on_after_batch_transfer(batch, 0)
    if batch is None:
        raise LearnerError("A hook for the batch returned None; return the batch.")
    return batch


def attached_step(
    module: LightningModule, batch: Any, device: torch.device, batch_idx: int = 0
) -> Any:
    """Move an attached module and its batch as Lightning would, and run one step.

    Args:
        module: From `attach`; it is left on ``device``.
        batch: A batch on the CPU, as the loader delivers it.
        device: Where to train.
        batch_idx: Number of the batch.

    Returns:
        What the step returned; the loss of a dict.

    Raises:
        LearnerError: If a batch hook returns nothing.
        Exception: Any error of the step or of a hook.
    """
    module = module.to(device)
    module.trainer.strategy._root_device = device
    _with_optimizers(module)
    for hook in ("on_fit_start", "on_train_start", "on_train_epoch_start"):
        _call(module, hook)
    batch = _delivered(module, batch, device)
    _call(module, "on_train_batch_start", batch, batch_idx)
    wants_index = is_param_in_hook_signature(
        module.training_step, "batch_idx", min_args=2
    )
    with contextlib.ExitStack() as stack:
        if not module.automatic_optimization:  # which may call the loss's own method
            backward = mock.patch.object(
                torch.Tensor, "backward", module.manual_backward
            )
            stack.enter_context(backward)
        output = module.training_step(batch, *([batch_idx] if wants_index else []))
    return output.get("loss") if isinstance(output, dict) else output
