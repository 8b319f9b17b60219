"""How batches come to a module: from one loader or several, through a data module."""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from unittest import mock

import lightning as L
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader

from course_utils.checks.fit import loader_of
from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.checks.training_step import tensors_in
from course_utils.own_code.sandbox import Refused

_HOOKS = (
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
)


def loaders_in(loaders: Any) -> list[DataLoader[Any]]:
    """Return the loaders of what ``train_dataloader`` gives: one, or a list or dict.

    Returns:
        An empty list if there is anything else among them.
    """
    found = tree_leaves(getattr(loaders, "iterables", loaders))
    return found if all(isinstance(each, DataLoader) for each in found) else []


def _delivered(loader: Any) -> Iterator[Any]:
    """Yield batches as the Trainer does, which reads several loaders side by side."""
    for each in loaders_in(loader):
        each.num_workers = 0  # this process is limited, those it starts are not
    several = loaders_in(loader) and not isinstance(loader, DataLoader)
    if several and not isinstance(loader, CombinedLoader):
        loader = CombinedLoader(loader, "max_size_cycle")
    if isinstance(loader, CombinedLoader):
        loader = (batch for batch, _, _ in iter(loader))
    yield from loader


def some(loader: Any, count: int) -> list[Any]:
    """Return the first batches of a loader, or of several together.

    Raises:
        CannotCheck: If it cannot be read.
    """
    try:
        with learners_code("Reading the data"):
            return list(islice(_delivered(loader), count))
    except LearnerError as error:
        raise CannotCheck(str(error)) from error


def _memory(batches: Any) -> set[int]:
    storages = (each.untyped_storage() for each in tensors_in(batches))
    return {each.data_ptr() for each in storages if each.nbytes()}


def hands_out_its_own(loader: Any, count: int) -> bool:
    """Return whether batches are views of the data, so that a change stays in them.

    Read twice, such batches lie in the same memory; others are copies. Batches without
    a loader are the data themselves.
    """
    if loader is None:
        return True
    first, second = some(loader, count), some(loader, count)
    return not _memory(first).isdisjoint(_memory(second))


def some_of_each(loaders: Any, count: int) -> list[list[Any]]:
    """Return the first batches of each loader for validation: they take turns.

    Raises:
        CannotCheck: If one cannot be read.
    """
    if loaders is None:
        return []
    several = loaders_in(loaders) and not isinstance(loaders, DataLoader)
    return [
        some(each, count) for each in (loaders_in(loaders) if several else [loaders])
    ]


def loaders_of(data: L.LightningDataModule) -> Iterator[Any]:
    """Yield a data module's loader for training, then that for validation or None.

    Raises:
        CannotCheck: If it cannot make them.
    """
    try:
        with learners_code("Preparing the data"):
            data.prepare_data()
            data.setup("fit")
            yield data.train_dataloader()
        try:
            with learners_code("Preparing the data"):
                yield data.val_dataloader()
        except LearnerError:
            yield None
    except LearnerError as error:
        raise CannotCheck(str(error)) from error


def lend_hooks(data: L.LightningDataModule | None, module: L.LightningModule) -> None:
    """Let a module move its batches as its data module does, whose hooks go first."""
    for name in _HOOKS if data is not None else ():
        hook = getattr(data, name)
        if getattr(type(data), name) is getattr(L.LightningDataModule, name):
            continue

        def through(*args: Any, hook: Any = hook) -> Any:
            return hook(*args)

        # A function, so that a copy of the module does not copy the data.
        setattr(module, name, through)


def _like(loader: Any, batches: Sequence[Any]) -> Any:
    """Return a loader that delivers ready-made batches and else is as this one is.

    A module may ask it for its data set, its batch size, or what its class adds.
    """
    kind = type(loader)
    if isinstance(loader, CombinedLoader) or not hasattr(loader, "__dict__"):
        return loader_of(batches)
    delivers = {
        "__iter__": lambda self: iter(batches),
        "__len__": lambda self: len(batches),
    }
    try:
        ready = copy.copy(loader)
        ready.__class__ = type(kind.__name__, (kind,), delivers)
    except Exception:  # whatever its class has against a copy
        return loader_of(batches)
    return ready


def _nothing(*_: Any, **__: Any) -> None:
    """Prepare nothing: the batches are there."""


@contextlib.contextmanager
def delivering(
    data: L.LightningDataModule | None,
    loader: Any,
    train: Sequence[Any],
    val: Sequence[Sequence[Any]],
) -> Iterator[tuple[Any, Any]]:
    """Let ready-made batches come the way that a module expects them.

    Args:
        data: Set up; in the block it delivers these batches, and a module can ask
            ``trainer.datamodule`` for what else it knows.
        loader: The loader that the training batches are from.
        train: Training batches.
        val: Validation batches of each loader.

    Yields:
        What to train on and what to validate on, as ``Trainer.fit`` gets them.
    """
    ready, others = _like(loader, train), [loader_of(each) for each in val]
    validation: Any = others[0] if len(others) == 1 else others or None
    if data is None:
        yield ready, validation
        return
    ours = {
        "train_dataloader": lambda: ready,
        "val_dataloader": lambda: validation or [],
        **dict.fromkeys(("prepare_data", "setup", "teardown"), _nothing),
    }
    with contextlib.ExitStack() as stack:
        for name, value in ours.items():
            stack.enter_context(mock.patch.object(data, name, value))
        yield data, None


def forgo_writes(module: L.LightningModule) -> None:
    """Let a module whose ``prepare_data`` would write a file be trained without it.

    It is trained on batches that are there: it needs no download.
    """
    if type(module).prepare_data is L.LightningModule.prepare_data:
        return
    prepare = module.prepare_data

    def unless_refused() -> None:
        with contextlib.suppress(Refused):
            prepare()

    module.prepare_data = unless_refused  # type: ignore[method-assign]
