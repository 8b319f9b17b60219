"""The exercises of lesson 01, code organization."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import has_forward, learners_code
from course_utils.checks.sample_data import (
    class_of,
    digits,
    in_batches,
    lesson_images,
    new_instance,
    output_of,
)
from course_utils.checks.sample_digests import digests
from course_utils.checks.training_step import tensors_in
from course_utils.checks.weight_updates import lowers_cross_entropy, updates
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_01.data_splits import (
    leaves_randomness_alone,
    shuffles,
    splits_hold,
    tests_alone,
)
from course_utils.exercises.lesson_01.encoder_reuse import (
    flat_encoder,
    nested_encoder,
    stays_frozen,
    uses_part,
)
from course_utils.exercises.lesson_01.replicas import replicas_agree
from course_utils.exercises.lesson_01.trainer_flags import (
    clips_as_told,
    keeps_sgd,
    obeys_accumulation,
    obeys_in_processes,
    returns_the_whole_loss,
)

# 1.1 ----------------------------------------------------------------------------


def obeys_the_trainer(answer: Any) -> Iterator[Finding]:
    """Examine exercise 1.1: updates and their gradients, learning, two processes."""
    build, batches = partial(new_instance, answer), in_batches(lesson_images(128), 16)
    for every in (4, 1):
        yield obeys_accumulation(build, batches, every)
    for every in (4, 1):
        yield returns_the_whole_loss(build, batches, every)
    yield keeps_sgd(build, batches)
    glaring = [(20 * images, labels) for images, labels in batches[:2]]
    yield from clips_as_told(build, glaring)
    yield obeys_accumulation(build, batches, every=3)
    yield lowers_cross_entropy(build(), batches)
    dataset = TensorDataset(*lesson_images(64))
    yield replicas_agree(build, dataset)
    yield from obeys_in_processes(build, DataLoader(dataset, 16), norm=0.1)


_1_1 = Exercise(
    practice="1.1",
    examine=obeys_the_trainer,
    hints=(
        "Which of these lines say what is learned, and which say how training runs?",
        "Backward, clipping, step, zero_grad and every fourth batch belong to the "
        "Trainer. What does it need from you to do them?",
        "End training_step with `return loss`, and return the SGD optimizer from "
        "configure_optimizers. Delete everything between.",
    ),
    reason=(
        "The module says what is learned; how often, how far and on how many devices "
        "is the Trainer's."
    ),
)

# 1.2 ----------------------------------------------------------------------------

_SHARES = {"train": 0.70, "val": 0.15, "test": 0.15}


def _loaders(build: Callable[[], L.LightningDataModule]) -> dict[str, Any]:
    module = build()
    with learners_code("prepare_data"):
        module.prepare_data()
    with learners_code("setup('fit')"):
        module.setup("fit")
    with learners_code("A loader"):
        loaders = {"train": module.train_dataloader(), "val": module.val_dataloader()}
    with learners_code("setup('test')"):
        module.setup("test")
    with learners_code("test_dataloader"):
        return {**loaders, "test": module.test_dataloader()}


def _delivered(name: str, loader: Any) -> list[bytes]:
    """Return what a loader delivers; a training loader may drop its last batch."""
    with learners_code(f"{name}_dataloader"):
        return digests(loader if name == "train" else iter(loader))


def _repeated(loaders: dict[str, Any]) -> Iterator[Finding]:
    for name, loader in loaders.items():
        samples = _delivered(name, loader)
        again = len(samples) - len(set(samples))
        seen = f"{again} of {len(samples)} {name} samples come a second time."
        yield Finding(seen, not again, "Deliver each sample once per epoch.")


def _sizes(loaders: dict[str, Any], total: int) -> Iterator[Finding]:
    for name, share in _SHARES.items():
        wanted, found = round(share * total), len(_delivered(name, loaders[name]))
        seen = f"Of {total} samples {name} has {found}; {share:.0%} are {wanted}."
        remedy = "random_split takes shares, too: [0.7, 0.15, 0.15]."
        yield Finding(seen, abs(found - wanted) <= 1, remedy)


def _pairs(
    loaders: dict[str, Any], images: Tensor, labels: Tensor
) -> Iterator[Finding]:
    """Check whether each part delivers the images it was given, with their labels."""
    label_of = dict(zip(digests([images]), labels.tolist(), strict=True))
    for name, loader in loaders.items():
        with learners_code(f"{name}_dataloader"):
            batches = [tensors_in(batch) for batch in loader]
        found = [
            (label_of.get(digest), label)
            for batch_images, batch_labels, *_ in batches
            for digest, label in zip(
                digests([batch_images]), batch_labels.tolist(), strict=True
            )
        ]
        others = sum(expected is None for expected, _ in found)
        seen = f"{others} of {len(found)} {name} images are none of those given."
        yield Finding(seen, not others, "Deliver the images as they are.")
        wrong = sum(expected != label for expected, label in found)
        seen = f"{wrong} of {len(found)} {name} images have another image's label."
        yield Finding(seen, not wrong, "Each image keeps its own label.")


def _splits(data_class: Any, total: int) -> Iterator[Finding]:
    images, labels = digits(total)

    def build() -> L.LightningDataModule:
        with learners_code("__init__"):
            return data_class(images.clone(), labels.clone())

    loaders = _loaders(build)
    yield from _repeated(loaders)
    yield from splits_hold(build)
    yield tests_alone(build)
    yield leaves_randomness_alone(build)
    yield from _sizes(loaders, total)
    yield from _pairs(loaders, images, labels)
    yield shuffles(build)


class _Ignores(L.LightningModule):
    """Takes any batch and learns nothing."""

    def training_step(self, batch: Any) -> None:
        return None

    def validation_step(self, batch: Any) -> None:
        return None

    def configure_optimizers(self) -> None:
        return None


def _serves_a_trainer(answer: Any) -> Finding:
    """Check whether a Trainer can use the data module to fit.

    Raises:
        LearnerError: If it cannot for another reason than a base class not set up.
    """
    with learners_code("__init__"):
        module = class_of(answer, L.LightningDataModule)(*digits(200))
    if not all(hasattr(module, name) for name in vars(L.LightningDataModule())):
        seen = "A Trainer cannot use it: what LightningDataModule sets up is not there."
        return Finding(seen, False, "Call super().__init__() in __init__.")
    fit(_Ignores(), module, limit_train_batches=1, limit_val_batches=1)
    return Finding("A Trainer can use it.", True)


def splits_three_ways(answer: Any) -> Iterator[Finding]:
    """Examine exercise 1.2: stable, apart, complete, shuffled.

    For one number of samples a split could be written out, so there are two.
    """
    for total in (200, 263):
        yield from _splits(class_of(answer, L.LightningDataModule), total)
    yield _serves_a_trainer(answer)


_1_2 = Exercise(
    practice="1.2",
    examine=splits_three_ways,
    hints=(
        "prepare_data runs in one process, setup in all of them and once per call. "
        "What does the second call of setup do to the split?",
        "random_split takes generator=torch.Generator().manual_seed(0). Without it, "
        "the global random state decides.",
        "Build the dataset in setup; split it by [0.7, 0.15, 0.15] with a seeded "
        "generator into train_set, val_set and test_set; add test_dataloader.",
    ),
    reason=(
        "The split depends on the data and a seed, on nothing else: not on who calls "
        "setup, when, or how often."
    ),
)

# 1.3 ----------------------------------------------------------------------------


def _gives_logits(module: L.LightningModule, images: Tensor) -> Finding:
    if not has_forward(module):
        seen, remedy = "There is no forward pass.", "Write forward(self, images)."
        return Finding(seen, False, remedy)
    shape = tuple(output_of(module, images).shape)
    seen = f"For {len(images)} images forward returns the shape {shape}."
    remedy = "Return one logit for each of ten classes."
    return Finding(seen, shape == (len(images), 10), remedy)


def _learns(module: L.LightningModule, batches: list[tuple[Tensor, Tensor]]) -> Finding:
    changed = any(updates(module, batches).changed)
    seen = "Training changes no weights."
    remedy = "Return the loss, and give the new layer's weights to the optimizer."
    return Finding(seen, changed, remedy)


def reuses_any_encoder(answer: Any) -> Iterator[Finding]:
    """Examine exercise 1.3 with two encoders of different layers and widths."""
    batches = in_batches(digits(128), 16)
    for make, features in ((flat_encoder, 12), (nested_encoder, 20)):
        torch.manual_seed(features)
        encoder = make(features)
        given = copy.deepcopy(encoder.state_dict())
        module = new_instance(answer, encoder, features)
        yield _gives_logits(module, digits(features - 1)[0])
        yield uses_part(module, encoder, batches[0][0])
        yield stays_frozen(given, module, encoder, batches)
        yield _learns(module, batches)
        yield lowers_cross_entropy(module, batches)


_1_3 = Exercise(
    practice="1.3",
    examine=reuses_any_encoder,
    hints=(
        "Three parts of the spec, three places: what __init__ keeps, what forward "
        "calls, what the optimizer gets.",
        "requires_grad_(False) stops gradients. Running statistics stop in evaluation "
        "mode only.",
        "self.encoder = encoder.requires_grad_(False).eval(); self.head = "
        "nn.Linear(features, 10); forward returns self.head(self.encoder(images)); "
        "the optimizer gets self.head.parameters().",
    ),
    reason=(
        "What is handed in can be exchanged; no gradient and evaluation mode together "
        "keep it as it came."
    ),
)

EXERCISES = (_1_1, _1_2, _1_3)
