"""Do the parts of a data module stay apart, in every process and at every setup?

A part is known by its contents, not by its indices: every sample is reduced to a
digest of its bytes. Equal samples count as one; data with duplicates leaks by itself.
"""

import random
from collections.abc import Callable, Iterator

import lightning as L
import numpy as np
import torch

from course_utils.checks.finding import Finding
from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.sample_digests import digests

Part = frozenset[bytes]
Build = Callable[[], L.LightningDataModule]

_GENERATOR = (
    "Draw the split from its own generator: torch.Generator().manual_seed(seed)."
)
_ONE_PART = "Give each sample to one part only."


# Which loaders Lightning asks for after `setup` of a stage.
_LOADERS = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
}


def parts(data_module: L.LightningDataModule, stage: str) -> dict[str, Part]:
    """Run ``setup(stage)`` and return the contents of that stage's loaders by name.

    Raises:
        LearnerError: If ``setup`` or a loader raises, or a part is empty.
    """
    with learners_code(f"setup({stage!r})"):
        data_module.setup(stage)
    found = {}
    for name in _LOADERS[stage]:
        with learners_code(f"{name}_dataloader"):
            found[name] = frozenset(
                digests(getattr(data_module, f"{name}_dataloader")())
            )
        if not found[name]:
            raise LearnerError(f"{name}_dataloader delivers no samples.")
    return found


def _leak(trained_on: Part, held_out: Part, when: str, remedy: str) -> Finding:
    shared = len(trained_on & held_out)
    seen = f"{shared} of {len(held_out)} {when} had been trained on."
    return Finding(seen, not shared, remedy, asked=f"{when} trained on")


def _both(data_module: L.LightningDataModule) -> dict[str, Part]:
    """Return the parts after ``setup("fit")``, and the test part if there is one."""
    found = parts(data_module, "fit")
    base = L.LightningDataModule.test_dataloader
    if type(data_module).test_dataloader is not base:
        found |= parts(data_module, "test")
    return found


def _without_prepare(build: Build) -> dict[str, Part]:
    """Return the parts in another process's view: no ``prepare_data``, other state."""
    scramble_global_rngs(2)
    other = build()
    try:
        return _both(other)
    except LearnerError as error:
        raise LearnerError(
            f"On an instance whose prepare_data was not called, {error} prepare_data "
            "runs in one process only: set in setup or __init__ what others need."
        ) from error


def _same(name: str, ours: Part, theirs: Part) -> Finding:
    asked, differ = f"{name} in two instances", len(ours - theirs)
    if ours == theirs:
        return Finding(
            f"Two instances have the same {name} samples.", True, asked=asked
        )
    seen = f"In another instance {differ} of {len(ours)} {name} samples are others."
    return Finding(seen, False, _GENERATOR, asked=asked)


def splits_hold(build: Build) -> Iterator[Finding]:
    """Check whether training, validation and test samples stay apart and stay the same.

    One instance is prepared, set up for fitting, then for validation and for test, as
    a Trainer does; another one, under other random states, is set up without
    ``prepare_data``, as in a second process. Loaders are read without a Trainer.

    Args:
        build: Makes a new instance that has seen nothing yet.

    Raises:
        LearnerError: If a hook raises, or a part is empty.
    """
    scramble_global_rngs(1)
    first = build()
    with learners_code("prepare_data"):
        first.prepare_data()
    fit, later = parts(first, "fit"), parts(first, "validate")
    yield _leak(fit["train"], fit["val"], "validation samples", _ONE_PART)
    again = "validation samples of a later stage"
    yield _leak(fit["train"], later["val"], again, _GENERATOR)
    theirs = _without_prepare(build)
    for name, part in fit.items():
        yield _same(name, part, theirs[name])
    if "test" not in theirs:
        return
    test = parts(first, "test")["test"]
    yield _leak(fit["train"], test, "test samples", _ONE_PART)
    shared = len(fit["val"] & test)
    seen = f"{shared} of {len(test)} test samples are validation samples."
    yield Finding(seen, not shared, _ONE_PART, asked="test in validation")
    yield _same("test", test, theirs["test"])


def leaves_randomness_alone(build: Build) -> Finding:
    """Check whether ``setup`` leaves the global random generators unseeded.

    A seed set in ``setup`` decides every later shuffle, dropout and augmentation,
    whatever seed the run was started with.
    """
    draws = []
    for seed in (1, 2):
        scramble_global_rngs(seed)
        module = build()
        with learners_code("setup('fit')"):
            module.prepare_data()
            module.setup("fit")
        draws.append((random.random(), np.random.random(), torch.rand(4).tolist()))
    seeded = any(a == b for a, b in zip(*draws, strict=True))
    seen = "setup seeds a global random generator."
    remedy = _GENERATOR
    return Finding(seen, not seeded, remedy)


def shuffles(build: Build) -> Finding:
    """Check whether the training loader delivers another order in another epoch."""
    scramble_global_rngs(1)
    module = build()
    with learners_code("train_dataloader"):
        module.prepare_data()
        module.setup("fit")
        loader = module.train_dataloader()
        orders = [digests(loader) for _ in range(2)]
    fixed = orders[0] == orders[1]
    seen = "Two epochs of training come in the same order."
    remedy = "Give the training loader shuffle=True."
    return Finding(seen, not fixed, remedy)
