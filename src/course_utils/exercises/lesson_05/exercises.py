"""The exercises of lesson 05, reproducibility."""

from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from course_utils.checks.exact_resume import resumes_exactly
from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.interrupted_run import Parts, Place
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.sample_data import (
    digits,
    lesson_images,
    new_instance,
    quiet_function,
)
from course_utils.checks.training_step import inputs_seen
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_05.determinism import (
    depends_on_the_seed_alone,
    same_gradients_on_two_threads,
)
from course_utils.exercises.lesson_05.resumable_parts import (
    KeepsItsPlace,
    KeepsRandomState,
)
from course_utils.measure import OptimizerSteps

# 5.1 ----------------------------------------------------------------------------


def trains_from_its_seed(answer: Any) -> Iterator[Finding]:
    """Examine exercise 5.1: one seed, one result; another seed, another result."""
    train = quiet_function(answer)
    with OptimizerSteps() as steps:
        yield from depends_on_the_seed_alone(train)
    seen = "The function returns a network that no optimizer has touched."
    yield Finding(seen, steps.count > 0, "Keep the training in it.")


_5_1 = Exercise(
    practice="5.1",
    examine=trains_from_its_seed,
    hints=(
        "Go through the function line by line, and ask of each: does it draw a number, "
        "and from which generator?",
        "The model draws before the seed is set; permutation draws from NumPy, which "
        "torch.manual_seed does not seed; ORDER outlives the call.",
        "Begin with L.seed_everything(seed), drop torch.manual_seed, and make the "
        "loader's generator inside: torch.Generator().manual_seed(seed).",
    ),
    reason=(
        "All generators are seeded before the first draw, and none of them outlives "
        "the call: the second call starts like the first."
    ),
)

# 5.2 ----------------------------------------------------------------------------

LEVELS, WIDTH = 8, 16
NUMBERS = 14 * 13 * WIDTH  # for each pair of neighbours one vector


Pairs = tuple[Tensor, nn.Linear]


def _table_and_out(module: nn.Module) -> Pairs:
    table, out = getattr(module, "table", None), getattr(module, "out", None)
    table = getattr(table, "weight", table)  # an nn.Embedding is a table, too
    if not isinstance(table, Tensor) or table.numel() != LEVELS * LEVELS * WIDTH:
        raise LearnerError("The table of 8 x 8 vectors is gone; change forward only.")
    if not isinstance(out, nn.Linear) or out.bias is None:
        raise LearnerError("The layer `out` is gone; change forward only.")
    if (out.in_features, out.out_features) != (NUMBERS, 10):
        raise LearnerError(
            f"The layer `out` makes {out.out_features} numbers from {out.in_features}; "
            f"it has to stay as it is, with 10 from {NUMBERS}."
        )
    return table, out


def _pairs(images: Tensor) -> Tensor:
    """Return the row of the flat table for each pair of neighbours."""
    levels = (F.avg_pool2d(images, 2) * 7).round().long()
    return levels[..., :-1] * LEVELS + levels[..., 1:]


def _all_pairs(count: int) -> Tensor:
    """Return images in which every grey level has every other as its neighbour."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(LEVELS, (count, 1, 14, 14), generator=generator) / 7
    return levels.repeat_interleave(2, 2).repeat_interleave(2, 3)


def _looks_up_the_pairs(module: L.LightningModule, images: Tensor) -> Finding:
    """Check whether the logits are those of the starter, computed in another way."""
    table, out = _table_and_out(module)
    rows = F.embedding(_pairs(images), table.reshape(-1, WIDTH))
    expected = out(rows.flatten(1))
    with learners_code("forward"):
        logits = module(images)
    if not isinstance(logits, Tensor):
        kind = type(logits).__name__
        raise LearnerError(f"forward returned {kind}; return the logits.")
    same = logits.shape == expected.shape and torch.allclose(
        logits, expected, atol=1e-5
    )
    count = f"{len(images)} image{'s' if len(images) > 1 else ''}"
    seen = f"The logits of {count} are not those of the original network."
    remedy = "Each pair of neighbours looks up table[left, right], as before."
    return Finding(seen, same, remedy)


@torch.enable_grad()
def _teaches_all(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Iterator[Finding]:
    """Check whether all weights have the gradient that the original gives them."""
    (images, labels), (table, out) = batch, _table_and_out(module)
    leaf = table.detach().reshape(-1, WIDTH).clone().requires_grad_()
    loss = F.cross_entropy(out(F.embedding(_pairs(images), leaf).flatten(1)), labels)
    weights = {"table": table, "out.weight": out.weight, "out.bias": out.bias}
    found = torch.autograd.grad(loss, [leaf, out.weight, out.bias])
    for (name, weight), expected in zip(weights.items(), found, strict=True):
        if weight.grad is None or not weight.grad.any():
            yield Finding(f"{name} gets no gradient.", False, "Let it learn.")
            continue
        far = (weight.grad.reshape(expected.shape) - expected).abs().max()
        same = bool(far <= 1e-3 * expected.abs().max())
        seen = f"The gradient of {name} is not the original one."
        remedy = "Whatever the original computes with it must reach its gradient."
        yield Finding(seen, same, remedy)


def looks_up_without_a_race(answer: Any) -> Iterator[Finding]:
    """Examine exercise 5.2: the same logits, and one gradient, each time."""
    module = new_instance(answer)
    batch = digits(512)
    for images in (_all_pairs(64), batch[0][:1]):
        yield _looks_up_the_pairs(module, images)
    yield same_gradients_on_two_threads(module, batch)
    yield from _teaches_all(module, batch)


_5_2 = Exercise(
    practice="5.2",
    examine=looks_up_without_a_race,
    hints=(
        "Which operation's gradient is a sum to which two threads add at once? What "
        "does PyTorch offer for looking up rows of a table?",
        "F.embedding(rows, table) looks up rows of a table with two dimensions, and "
        "sums its gradient in one order. Make one row number out of left and right.",
        "The row is 8 * left + right, the table self.table.flatten(0, 1).",
    ),
    reason=(
        "F.embedding does the same look-up, and its gradient is summed in one fixed "
        "order, whatever the threads do."
    ),
)

# 5.3 ----------------------------------------------------------------------------

NOISE = 0.3  # its deviation
PLACES = (Place("batch", 4), Place("batch", 13), Place("epoch", 1))


def _adds_new_noise(answer: Any) -> Iterator[Finding]:
    """Check the noise of every step, seen in the inputs of the network.

    Its numbers may be a little off: the base class makes images brighter or darker.
    """
    images, labels = lesson_images(16)
    with inputs_seen(images.shape) as inputs:
        fit(new_instance(answer), [(images, labels)] * 3, max_epochs=2)
    kinds = len({each.numpy().tobytes() for each in inputs})
    seen = f"Of 6 steps in 2 epochs, {6 - kinds} add the noise of an earlier one."
    if kinds == 1 and torch.equal(inputs[0], images):
        seen = "The steps add no noise."
    yield Finding(seen, kinds >= 6, "Draw new noise in each step.")
    noise = inputs[-1] - images
    mean, spread = noise.mean().item(), noise.std().item()
    seen = (
        f"What a step adds to the images has mean {mean:.2f} and deviation "
        f"{spread:.2f}; the noise to keep has 0 and {NOISE}."
    )
    right = max(abs(mean), abs(spread - NOISE)) < 0.2 * NOISE
    yield Finding(seen, right, "Keep the noise, and save its generator's state.")


def goes_on_with_its_noise(answer: Any) -> Iterator[Finding]:
    """Examine exercise 5.3: noise in each step, and an exact resume at three places."""
    yield from _adds_new_noise(answer)
    dataset = TensorDataset(*lesson_images(160))

    def build() -> Parts:
        return answer(), KeepsItsPlace(dataset), [KeepsRandomState()]

    yield from resumes_exactly(
        build,
        PLACES,
        remedy="Each step must add the noise that it adds in an unbroken run.",
        max_epochs=2,
        limit_val_batches=0,
    )


_5_3 = Exercise(
    practice="5.3",
    examine=goes_on_with_its_noise,
    hints=(
        "What kind of object goes into the file, and which kinds come out again?",
        "A generator of NumPy keeps its state in rng.bit_generator.state: a dict of "
        "text and whole numbers, which you can also set.",
        "Save self.rng.bit_generator.state, and set self.rng.bit_generator.state = "
        'checkpoint["rng"] when you load.',
    ),
    reason=(
        "The file holds plain values. Only this module draws from its generator, "
        "so here on_load_checkpoint is early enough."
    ),
)

EXERCISES = (_5_1, _5_2, _5_3)
