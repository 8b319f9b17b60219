"""Does something bend between two linear layers, and how many outputs are there?"""

from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.checks.sample_data import output_of
from course_utils.formatting import first_names
from course_utils.measure import evaluation_mode

_BEND = 1e-3  # of the change; rounding makes less than 1e-5


def _inputs(module: nn.Module, images: Tensor, shifts: dict[str, Any]) -> Any:
    """Return what each linear layer gets, in the order of the calls, and the output.

    Args:
        module: Is run once.
        images: What its forward pass gets.
        shifts: What is added to a layer's output, by the layer's name.
    """
    found: dict[str, Tensor] = {}

    def look(name: str, _: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        found.setdefault(name, args[0])
        return output + shifts.get(name, 0)

    with ExitStack() as hooks:
        for name, layer in module.named_modules():
            if isinstance(layer, nn.Linear):
                hook = layer.register_forward_hook(partial(look, name))
                hooks.enter_context(hook)
        with torch.no_grad(), evaluation_mode(module), learners_code("forward"):
            found["output"] = module(images)
    return found


def _is_bent(module: nn.Module, images: Tensor, name: str, width: int) -> bool:
    """Return whether what comes after a layer is no affine function of its output."""
    shift = 3 * torch.randn(width, generator=torch.Generator().manual_seed(0))
    there, back, plain = (
        _inputs(module, images, {name: sign * shift}) for sign in (1, -1, 0)
    )
    for other in plain:  # the first that depends on the layer decides
        change = (there[other] - back[other]).norm()
        if change > 0:
            bend = (there[other] + back[other] - 2 * plain[other]).norm()
            return bool(bend > _BEND * change)
    return True  # nothing depends on it, which is another fault


def has_activations(module: nn.Module, images: Tensor, free: str = "") -> Finding:
    """Check that an activation follows each linear layer but the last.

    Its kind does not matter: between two layers, only affine maps are refused.

    Args:
        module: Is run in evaluation mode.
        images: What its forward pass gets.
        free: Name of another layer that needs none, wherever it stands; where no layer
            is called so, it is the last but one.
    """
    called = [name for name in _inputs(module, images, {}) if name != "output"]
    bare = {*called[-1:], *(called[-2:] if free and free not in called else [free])}
    straight = [
        name
        for name in called
        if name not in bare
        and not _is_bent(module, images, name, module.get_submodule(name).out_features)
    ]
    seen = f"No activation follows {first_names(straight)}."
    remedy = "Put one after each hidden layer: two linear layers in a row are one."
    return Finding(seen, not straight, remedy)


def has_outputs(module: nn.Module, images: Tensor, count: int = 10) -> Finding:
    """Check that the forward pass returns ``count`` logits per image."""
    shape, wanted = tuple(output_of(module, images).shape), (len(images), count)
    seen = f"For {len(images)} images, forward returns the shape {shape}."
    remedy = f"There are {count} digits: return one logit for each, {wanted}."
    return Finding(seen, shape == wanted, remedy)
