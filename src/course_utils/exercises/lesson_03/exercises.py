"""The exercises of lesson 03, hyperparameters."""

import copy
from collections.abc import Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.checks.sample_data import (
    class_of,
    in_batches,
    lesson_images,
    logits_of,
    output_of,
)
from course_utils.checks.training_step import inputs_seen
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_03.optimizer_settings import (
    obeys_settings,
    obeys_when_resumed,
    uses_adam,
)
from course_utils.exercises.lesson_03.reload import survives_reload


def _batches() -> list[tuple[Tensor, Tensor]]:
    return in_batches(lesson_images(64), 16)


# 3.1 ----------------------------------------------------------------------------


_ABOVE = "A pixel counts as ink if its grey level of 0 to 255 is above `ink`."


def _sees_ink_only(answer: Any, ink: int) -> Finding:
    """Check whether the logits depend on where the ink is, and on nothing else."""
    # Five grey levels, none of them near ink.
    images = (lesson_images(32)[0] * 4).round() / 4
    with learners_code("__init__"):
        module = answer(ink=ink)
    with learners_code("forward"):
        mask = (images > ink / 255).float()
        logits = logits_of(module, images)
        same = torch.allclose(logits, logits_of(module, mask), atol=1e-5)
        blank = torch.allclose(logits, logits_of(module, 0 * images), atol=1e-5)
    with learners_code("forward"), torch.enable_grad(), inputs_seen(mask.shape) as got:
        module(images)
    if got and got[-1][mask == 1].mean() < got[-1][mask == 0].mean():
        seen = f"With ink={ink} the network gets less for ink than for paper."
        return Finding(seen, False, _ABOVE)
    if blank:
        seen = f"With ink={ink} every image looks blank to the network."
    else:
        seen = f"With ink={ink} the logits do not follow the ink."
    return Finding(seen, same and not blank, _ABOVE)


def _draws_the_line_at(answer: Any, ink: int) -> Iterator[Finding]:
    """Check whether the grey level ``ink`` is still paper, and the next one ink."""
    with learners_code("__init__"):
        module = answer(ink=ink)
    where = (lesson_images(32)[0] > 0.5).float()
    for grey, mask in ((ink, 0 * where), (ink + 1, where)):
        with learners_code("forward"):
            found = logits_of(module, where * grey / 255)
            same = torch.allclose(found, logits_of(module, mask), atol=1e-5)
        kind = "ink" if grey > ink else "paper"
        seen = f"With ink={ink} a pixel of grey level {grey} is not seen as {kind}."
        yield Finding(seen, same, _ABOVE)


def sees_the_same_ink(answer: Any) -> Iterator[Finding]:
    """Examine exercise 3.1: what was asked for, after a reload and before."""
    module_class = class_of(answer, L.LightningModule)
    for ink in (80, 150, 1):
        yield _sees_ink_only(module_class, ink)
        yield from _draws_the_line_at(module_class, ink)
    first, second = {"ink": 200, "lr": 3e-3}, {"ink": 30, "lr": 7e-4}
    for settings, between in ((first, second), (second, first)):
        yield from survives_reload(module_class, settings, _batches(), between=between)
        rate = {"lr": settings["lr"]}
        yield obeys_settings(module_class, settings, _batches(), rate)


_3_1 = Exercise(
    practice="3.1",
    examine=sees_the_same_ink,
    hints=(
        "Which value of `ink` does the file hold, and what does __init__ do with it "
        "when the file is loaded?",
        "save_hyperparameters() reads the arguments as they are at that moment.",
        "Call self.save_hyperparameters() before the line that divides by 255.",
    ),
    reason="The file holds what __init__ was given, so __init__ can be given it again.",
)

# 3.2 ----------------------------------------------------------------------------


def _uses_activation(module_class: Any, encoder: nn.Module) -> Iterator[Finding]:
    outputs = []
    for activation in (torch.tanh, torch.relu):
        torch.manual_seed(0)
        with learners_code("__init__"):
            module = module_class(copy.deepcopy(encoder), activation)
        outputs.append(output_of(module, lesson_images(16)[0]))
    shape = tuple(outputs[0].shape)
    seen = f"For 16 images forward returns the shape {shape}."
    yield Finding(seen, shape == (16, 10), "Return one logit for each of ten classes.")
    seen = "With torch.tanh and with torch.relu the logits are the same."
    remedy = "Apply the activation that __init__ was given."
    yield Finding(seen, not torch.equal(*outputs), remedy)


def loads_after_a_sweep(answer: Any) -> Iterator[Finding]:
    """Examine exercise 3.2: rates from NumPy, two activations, an encoder."""
    module_class = class_of(answer, L.LightningModule)
    torch.manual_seed(0)
    size = lesson_images(1)[0].numel()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(size, 64))
    first, second = (
        {"encoder": encoder, "activation": activation, "lr": lr}
        for activation, lr in zip(
            (torch.tanh, torch.relu), np.logspace(-2.6, -3.1, 2), strict=True
        )
    )
    for settings, between in ((first, second), (second, first)):
        yield from survives_reload(
            module_class, settings, _batches(), again=["encoder"], between=between
        )
        rate = {"lr": float(settings["lr"])}
        yield obeys_settings(module_class, settings, _batches(), rate)
    yield from _uses_activation(module_class, encoder)


_3_2 = Exercise(
    practice="3.2",
    examine=loads_after_a_sweep,
    hints=(
        "Three arguments, three types. Which of them would the grid above let pass?",
        "The encoder is given again, so leave it out. The rate can become a float. "
        "What plain value could stand for the function, and find it again in torch?",
        'Before saving: lr = float(lr); activation = getattr(activation, "__name__", '
        'activation). Save with ignore=["encoder"]. Then use getattr(torch, '
        "activation).",
    ),
    reason=(
        "The file holds a float and a name, from which __init__ makes what it needs; "
        "the encoder's weights are in the state dict anyway."
    ),
)

# 3.3 ----------------------------------------------------------------------------


def listens_to_its_settings(answer: Any) -> Iterator[Finding]:
    """Examine exercise 3.3: a new run, then one resumed with other settings."""
    module_class = class_of(answer, L.LightningModule)
    first = {"lr": 4e-3, "weight_decay": 0.02}
    then = {"lr": 5e-4, "weight_decay": 0.3}
    yield obeys_settings(module_class, first, _batches())
    yield uses_adam(module_class, first, _batches())
    for one, other in ((first, then), (then, first)):
        yield from obeys_when_resumed(module_class, one, other, _batches())


_3_3 = Exercise(
    practice="3.3",
    examine=listens_to_its_settings,
    hints=(
        "Begin with a new run: where do lr and weight_decay come from? Then ask when a "
        "resumed run gets the optimizer's state from the file.",
        "The file's state is put in after configure_optimizers and after on_fit_start, "
        "but before on_train_start.",
        "In on_train_start: for group in self.optimizers().param_groups: "
        'group["lr"] = self.hparams.lr, and the same for "weight_decay".',
    ),
    reason=(
        "configure_optimizers serves a new run; on_train_start comes after the old "
        "settings were restored."
    ),
)

EXERCISES = (_3_1, _3_2, _3_3)
