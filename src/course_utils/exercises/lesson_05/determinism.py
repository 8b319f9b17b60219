"""Does training twice end with the same bits?"""

import gc
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils.checks.finding import Finding
from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.training_step import tensors_in
from course_utils.experiments import preserve_global_state
from course_utils.measure import OptimizerSteps

Train = Callable[[int], Any]

_GENERATORS: dict[str, Callable[[int], Any]] = {
    "Python's": random.seed,
    "NumPy's": np.random.seed,
    "torch's": torch.manual_seed,
}


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


@dataclass(frozen=True)
class _Outcome:
    result: Any
    bits: list[Tensor]
    steps: int


def _run(train: Train, seed: int, state: int = 1, other: str = "") -> _Outcome:
    """Train with ``seed`` in a process whose generators are in some ``state``.

    Args:
        train: Gets the seed.
        seed: The seed.
        state: Of the global generators.
        other: Name of one generator that is in another state.

    Returns:
        What ``train`` returned, the tensors in it as they are now, and how many steps
        optimizers made.
    """
    scramble_global_rngs(state)
    if other:
        _GENERATORS[other](state + 1)
    with OptimizerSteps() as steps:
        result = train(seed)
    gc.collect()  # a Trainer is a cycle of references
    return _Outcome(result, _bits(result), steps.count)


def _where_it_leaks(train: Train, seed: int) -> tuple[str, str]:
    """Return under which condition two runs differ, and the rule that it breaks."""
    first = _run(train, seed).bits
    if _differ(first, _run(train, seed).bits):
        return (
            "though all global generators began in the same state",
            "Make generators of your own inside the function, from its seed.",
        )
    names = [g for g in _GENERATORS if _differ(first, _run(train, seed, 1, g).bits)]
    return (
        f"as the global state of {' and '.join(names)} generator began otherwise",
        "Seed every generator that is drawn from before the first draw.",
    )


def same_seed_same_bits(train: Train, seed: int = 3) -> Finding:
    """Check whether two calls with one seed train, and return the same bits.

    Between the calls the global random generators are put into another state.

    Args:
        train: Gets a seed and returns a trained module, or tensors.
        seed: The seed of both calls.

    Raises:
        LearnerError: If a call raises, or returns no tensors.
    """
    first, second = _run(train, seed, 1), _run(train, seed, 2)
    remedy = "Train a new network in each call."
    if first.result is second.result:
        seen = "The second call returned the very object that the first one returned."
        return Finding(seen, False, remedy)
    if first.steps and not second.steps:
        seen = f"The first call made {first.steps} steps of an optimizer, the second 0."
        return Finding(seen, False, remedy)
    differ = _differ(first.bits, second.bits)
    where, remedy = _where_it_leaks(train, seed) if differ else ("", "")
    seen = f"Two runs with seed {seed} end with {differ} of {len(first.bits)} "
    return Finding(f"{seen}tensors different, {where}.", not differ, remedy)


def other_seed_other_bits(train: Train, seeds: Sequence[int] = (3, 4, 21)) -> Finding:
    """Check whether any two seeds lead to different results.

    A seed that is ignored, or fixed inside, makes all "repetitions" identical.
    """
    bits = {seed: _run(train, seed).bits for seed in seeds}
    same = [
        pair
        for pair in itertools.combinations(seeds, 2)
        if not _differ(*(bits[seed] for seed in pair))
    ]
    one, other = same[0] if same else seeds[:2]
    seen = f"Seeds {one} and {other} end with the very same weights."
    return Finding(seen, not same, "Use the seed that the function is given.")


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


class _Races(TorchDispatchMode):
    """Notice sums into indexed rows to which several threads may add at once.

    Whether their order shows in the bits is up to the machine: on a busy one it hardly
    ever does.
    """

    found = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if str(func.overloadpacket) in ("aten.index_put", "aten.index_put_"):
            accumulates = (*args[3:], *(kwargs or {}).values())[:1] == (True,)
            safe = torch.are_deterministic_algorithms_enabled()
            self.found |= accumulates and not safe
        return func(*args, **(kwargs or {}))


def same_gradients_on_two_threads(
    module: nn.Module, batch: tuple[Tensor, Tensor], repeats: int = 8
) -> Finding:
    """Check whether two threads compute the same gradient of one batch each time.

    Deterministic mode is off during the check, so the operations themselves must be
    deterministic. How two threads interleave is up to the machine: hand over a batch
    so large that an operation with a race mostly shows it. The one that indexing uses
    is recognized in any case.

    Args:
        module: Maps images to logits; its random numbers are seeded before each pass.
        batch: Images and labels.
        repeats: How often the gradient is computed.

    Raises:
        LearnerError: If a pass raises.
    """
    with preserve_global_state():
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(2)
        with learners_code("A training step"):
            found = [_gradients(module, batch) for _ in range(repeats)]
            with _Races() as races:
                _gradients(module, batch)
        switched = torch.are_deterministic_algorithms_enabled()
        at_work = torch.get_num_threads()
    if switched:
        seen = "Your code switched deterministic mode on, for the whole process."
        remedy = "Leave that to the Trainer, and choose another operation."
        return Finding(seen, False, remedy)
    if at_work != 2:
        seen = "Your code changed the number of threads, for the whole process."
        remedy = "Leave two of them at work, and choose another operation."
        return Finding(seen, False, remedy)
    others = sum(_differ(found[0], each) > 0 for each in found[1:])
    seen = f"{others} of {repeats - 1} repetitions of one gradient gave different bits."
    if races.found and not others:
        seen = "A gradient is summed by index_put_ with accumulate=True."
    remedy = (
        "Threads add up the rows of an indexed table in any order; look values up by "
        "an operation whose gradient has a fixed order."
    )
    return Finding(seen, not others and not races.found, remedy)
