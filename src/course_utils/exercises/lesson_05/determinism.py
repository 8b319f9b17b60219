"""Does training twice end with the same bits?"""

import gc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.checks.finding import Finding
from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.training_step import tensors_in

Train = Callable[[int], Any]

_ALL = (
    "Seed every generator that is drawn from (Python's, NumPy's, torch's) before the "
    "first draw, and make generators of your own inside the function."
)


def _bits(result: Any) -> list[Tensor]:
    """Return the tensors of a result: those of a module, a mapping or a tensor."""
    if isinstance(result, nn.Module):
        result = result.state_dict()
    found = tensors_in(dict(result) if isinstance(result, Mapping) else result)
    if not found:
        raise LearnerError(
            f"Expected a trained module but got {type(result).__name__}; return it."
        )
    return [tensor.detach().cpu().clone() for tensor in found]


def _differ(first: list[Tensor], second: list[Tensor]) -> int:
    """Return how many tensors differ in at least one bit."""
    if len(first) != len(second):
        return max(len(first), len(second))
    return sum(not torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _run(train: Train, seed: int, state: int) -> tuple[Any, list[Tensor]]:
    """Train with ``seed`` in a process whose generators are in another ``state``.

    Returns:
        What ``train`` returned, and the tensors in it as they are now.
    """
    scramble_global_rngs(state)
    result = train(seed)
    gc.collect()  # a Trainer is a cycle of references
    return result, _bits(result)


def same_seed_same_bits(train: Train, seed: int = 3) -> Finding:
    """Check whether two calls with one seed return the same bits.

    Between the calls the global random generators are put into another state.

    Args:
        train: Gets a seed and returns a trained module, or tensors.
        seed: The seed of both calls.

    Raises:
        LearnerError: If a call raises, or returns no tensors.
    """
    (result, first), (other, second) = _run(train, seed, 1), _run(train, seed, 2)
    if result is other:
        seen = "The second call returned the very object that the first one returned."
        remedy = "Train a new network in each call."
        return Finding(seen, False, remedy)
    differ = _differ(first, second)
    seen = f"Two runs with seed {seed} end with {differ} of {len(first)} "
    seen += "tensors different."
    return Finding(seen, not differ, _ALL)


def other_seed_other_bits(train: Train, seeds: tuple[int, int] = (3, 4)) -> Finding:
    """Check whether two seeds lead to different results.

    A seed that is ignored, or fixed inside, makes all "repetitions" identical.
    """
    first, second = (_run(train, seed, 1)[1] for seed in seeds)
    differ = _differ(first, second)
    seen = f"Seeds {seeds[0]} and {seeds[1]} end with the very same weights."
    remedy = "Use the seed that the function is given."
    return Finding(seen, differ > 0, remedy)


def depends_on_the_seed_alone(train: Train) -> Iterator[Finding]:
    """Check both: one seed gives the same bits, another seed others."""
    yield same_seed_same_bits(train)
    yield other_seed_other_bits(train)


def _gradients(module: nn.Module, batch: tuple[Tensor, Tensor]) -> list[Tensor]:
    images, labels = batch
    torch.manual_seed(0)
    module.zero_grad()
    nn.functional.cross_entropy(module(images), labels).backward()
    return [p.grad.clone() for p in module.parameters() if p.grad is not None]


def same_gradients_on_two_threads(
    module: nn.Module, batch: tuple[Tensor, Tensor], repeats: int = 8
) -> Finding:
    """Check whether two threads compute the same gradient of one batch each time.

    Deterministic mode is off during the check, so the operations themselves must be
    deterministic. How two threads interleave is up to the machine: hand over a batch
    so large that an operation with a race shows it in every second gradient or so.

    Args:
        module: Maps images to logits; its random numbers are seeded before each pass.
        batch: Images and labels.
        repeats: How often the gradient is computed.

    Raises:
        LearnerError: If a pass raises.
    """
    mode = torch.are_deterministic_algorithms_enabled()
    threads = torch.get_num_threads()
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(2)
    try:
        with learners_code("A training step"):
            found = [_gradients(module, batch) for _ in range(repeats)]
        switched = torch.are_deterministic_algorithms_enabled()
        at_work = torch.get_num_threads()
    finally:
        torch.use_deterministic_algorithms(mode)
        torch.set_num_threads(threads)
    if switched:
        seen = "Your code switched deterministic mode on, for the whole process."
        remedy = "Leave that to the Trainer, and choose another operation."
        return Finding(seen, False, remedy)
    if at_work != 2:
        seen = "Your code changed the number of threads, for the whole process."
        remedy = "Leave two of them at work, and choose another operation."
        return Finding(seen, False, remedy)
    others = sum(_differ(found[0], each) > 0 for each in found[1:])
    seen = f"{others} of {repeats - 1} repetitions of one gradient gave other bits."
    remedy = (
        "Threads add up the rows of an indexed table in any order; look values up by "
        "an operation whose gradient has a fixed order."
    )
    return Finding(seen, not others, remedy)
