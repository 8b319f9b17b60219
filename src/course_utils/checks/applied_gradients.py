"""The gradients that optimizers apply during training, all at the same weights."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from course_utils.checks.fit import fit
from course_utils.checks.learner_code import learners_code
from course_utils.measure import OptimizerRecorder


@dataclass(frozen=True)
class Applied:
    """The gradient that one step of an optimizer used, or several at the same time.

    Attributes:
        batch: After which batch of the run, counted from 1.
        optimizer: Which one, any number that tells them apart.
        gradient: Shape ``(weights,)``, for all weights of the module that are trained;
            0 where it is none of this optimizer's.
        own: Shape ``(weights,)``, whether the optimizer steps that weight.
    """

    batch: int
    optimizer: int
    gradient: Tensor
    own: Tensor


class FixedWeights(L.Callback):
    """Put the weights back around each batch, so that all batches see the same ones.

    Attributes:
        batch: Which one of the run is trained on, counted from 1.
        changed: Whether a weight had changed, for each batch.
    """

    batch = 0

    def __init__(self, buffers: bool = False) -> None:
        """Put back ``buffers``, too, if asked: those that a checkpoint holds."""
        self._buffers = buffers
        self.changed: list[bool] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Remember the weights."""
        state = pl_module.state_dict().values() if self._buffers else ()
        held = [*pl_module.parameters(), *(t for t in state if isinstance(t, Tensor))]
        self._values = [(tensor, tensor.detach().clone()) for tensor in held]

    def _put_back(self) -> None:
        for tensor, value in self._values:
            # By `.data`, which autograd does not notice: a graph may be kept for later.
            tensor.data.copy_(value)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Count the batch; put the weights back."""
        self.batch += 1
        self._put_back()  # the module's own hook comes after that below

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Note whether they have changed; put the weights back."""
        count = len(list(pl_module.parameters()))
        pairs = self._values[:count]
        self.changed.append(not all(torch.equal(*pair) for pair in pairs))
        self._put_back()


def trained_weights(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that require a gradient."""
    return [p for p in module.parameters() if p.requires_grad]


def gradient_of(loss: Tensor, params: Sequence[nn.Parameter]) -> Tensor:
    """Return the gradient of a loss as one vector; its graph stays."""
    options = {"retain_graph": True, "materialize_grads": True}
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad(loss, params, **options)]
    )


def losses_and_gradients(
    module: L.LightningModule, batches: Sequence[tuple[Tensor, Tensor]]
) -> list[tuple[float, Tensor]]:
    """Return each batch's mean cross-entropy, and its gradient as one vector.

    Args:
        module: Maps images to logits; it is copied, not changed.
        batches: Images and labels.

    Raises:
        LearnerError: If the forward pass raises.
    """
    twin, found = copy.deepcopy(module).train(), []
    params = trained_weights(twin)
    for images, labels in batches:
        with torch.enable_grad(), learners_code("forward"):
            loss = F.cross_entropy(twin(images), labels)
        found.append((loss.item(), gradient_of(loss, params)))
    return found


def used_gradient(
    optimizer: Optimizer, params: Sequence[nn.Parameter]
) -> tuple[Tensor, Tensor] | None:
    """Return the gradient of ``params`` that an optimizer uses, and which it steps.

    Returns:
        Two vectors, shape ``(weights,)``: the gradient, 0 where it is none of this
        optimizer's, and whether the optimizer steps that weight. None if none of the
        weights that it steps has a gradient.
    """
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    pairs = [(p, id(p) in own) for p in params]
    if all(p.grad is None for p, is_mine in pairs if is_mine):
        return None
    used = [
        p.grad if is_mine and p.grad is not None else torch.zeros_like(p)
        for p, is_mine in pairs
    ]
    return (
        torch.cat([each.detach().flatten() for each in used]).clone(),
        torch.cat([torch.full((p.numel(),), is_mine) for p, is_mine in pairs]),
    )


def applied_gradients(
    module: L.LightningModule, batches: Sequence[Any], **trainer: Any
) -> list[Applied]:
    """Train on the CPU and return the gradient that each step of an optimizer used.

    A step for which no weight has a gradient is left out: it is no update.

    Args:
        module: Is trained; its weights stay what they are.
        batches: Ready-made batches in the form that ``training_step`` expects.
        **trainer: Arguments of the Trainer, for example ``max_epochs``.

    Raises:
        LearnerError: If training raises.
    """
    fixed = FixedWeights()

    def read(optimizer: Optimizer) -> Applied | None:
        used = used_gradient(optimizer, trained_weights(module))
        return used and Applied(fixed.batch, id(optimizer), *used)

    with OptimizerRecorder(read) as recorder:
        fit(module, batches, callbacks=[fixed], **trainer)
    return recorder.values


def merged(steps: Sequence[Applied]) -> list[Applied]:
    """Return the updates of the whole module: steps after one batch belong together.

    Several optimizers may each step their own weights. A second step of the same
    weights is another update.
    """
    updates: list[Applied] = []
    for step in steps:
        last = updates[-1] if updates else None
        if last and last.batch == step.batch and not (last.own & step.own).any():
            gradient, own = last.gradient + step.gradient, last.own | step.own
            updates[-1] = Applied(step.batch, step.optimizer, gradient, own)
        else:
            updates.append(step)
    return updates
