"""Do the parts of a data module stay apart, in every process and at every setup?

A part is known by its contents, not by its indices: every sample is reduced to a
digest of its bytes. Equal samples count as one; data with duplicates leaks by itself.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import lightning as L
import numpy as np
import torch

from course_utils.checks.finding import Finding
from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.sample_digests import digests

Part = frozenset[bytes]
Build = Callable[[], L.LightningDataModule]

_ONE_PART = "Give each sample to one part only."
_GENERATOR = (
    "Draw the split from its own generator: torch.Generator().manual_seed(seed)."
)
_UNTIL_NOW = (
    "It splits differently even under the same global random state: the second setup "
    "draws on from where the first one stopped. Let each setup begin from the seed."
)
_SHARED = (
    "They differ even under the same global random state: something that is neither "
    "the data nor a seed decides. Let each setup begin from the seed."
)


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


def _repeats(build: Build, setups_of_one: bool) -> bool:
    """Return whether two setups under one global random state give the same parts.

    Args:
        build: Makes a new instance.
        setups_of_one: Set one instance up twice, rather than two instances once.
    """
    found: list[dict[str, Part]] = []
    for number in range(2):
        scramble_global_rngs(3)
        if not (number and setups_of_one):
            module = build()
            module.prepare_data()
        scramble_global_rngs(3)
        found.append(_both(module))
    return found[0] == found[1]


def _without_prepare(build: Build) -> dict[str, Part]:
    """Return the parts in another process's view: no ``prepare_data``, other state."""
    scramble_global_rngs(2)
    other = build()
    try:
        return _both(other)
    except LearnerError as error:
        raise LearnerError(
            f"On an instance whose prepare_data was not called, {error} prepare_data "
            "runs in one process per node: set in setup or __init__ what others need."
        ) from error


def _same(name: str, ours: Part, theirs: Part, build: Build) -> Finding:
    asked, differ = f"{name} in two instances", len(ours - theirs)
    if ours == theirs:
        return Finding(
            f"Two instances have the same {name} samples.", True, asked=asked
        )
    seen = f"In another instance {differ} of {len(ours)} {name} samples are different."
    remedy = _GENERATOR if _repeats(build, setups_of_one=False) else _SHARED
    return Finding(seen, False, remedy, asked=asked)


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
    leak = _leak(fit["train"], later["val"], again, _GENERATOR)
    if not (leak.ok or _repeats(build, setups_of_one=True)):
        leak = replace(leak, remedy=_UNTIL_NOW)
    yield leak
    theirs = _without_prepare(build)
    for name, part in fit.items():
        yield _same(name, part, theirs[name], build)
    if "test" not in theirs:
        return
    test = parts(first, "test")["test"]
    yield _same("test", test, theirs["test"], build)
    yield _leak(fit["train"], test, "test samples", _ONE_PART)
    shared = len(fit["val"] & test)
    seen = f"{shared} of {len(test)} test samples are validation samples."
    yield Finding(seen, not shared, _ONE_PART, asked="test in validation")


def tests_alone(build: Build) -> Finding:
    """Check whether an instance that was never set up to fit has the same test part."""
    whole, alone = build(), build()
    alone.prepare_data()
    try:
        test = parts(alone, "test")["test"]
    except LearnerError as error:
        raise LearnerError(f"Set up for the test only, {error}") from error
    differ = len(_both(whole)["test"] - test)
    seen = (
        f"Set up for the test only, {differ} of {len(test)} test samples are different."
    )
    return Finding(seen, not differ, "Let every setup make the same three parts.")


_HOOKS = (
    ("prepare_data",),
    ("setup", "fit"),
    ("train_dataloader",),
    ("val_dataloader",),
    ("setup", "test"),
    ("test_dataloader",),
)


def _draws(build: Build, seed: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield each hook, and what the global generators give after it."""
    scramble_global_rngs(seed)
    module = build()
    for name, *arguments in (("__init__",), *_HOOKS):
        if name != "__init__":
            if getattr(type(module), name) is getattr(L.LightningDataModule, name):
                continue
            scramble_global_rngs(seed)
            with learners_code(name):
                getattr(module, name)(*arguments)
        yield name, (random.random(), np.random.random(), torch.rand(4).tolist())


def leaves_randomness_alone(build: Build) -> Finding:
    """Check whether no hook seeds a global random generator.

    A seed set in ``setup`` decides every later shuffle, dropout and augmentation,
    whatever seed the run was started with.
    """
    for (name, one), (_, other) in zip(_draws(build, 1), _draws(build, 2), strict=True):
        if any(a == b for a, b in zip(one, other, strict=True)):
            seen = f"{name} seeds a global random generator."
            return Finding(seen, False, _GENERATOR)
    return Finding("No hook seeds one.", True)


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
