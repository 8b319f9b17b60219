"""What does a data module deliver? Each sample as a digest of its bytes."""

import hashlib
from typing import Any

import lightning as L
from torch.utils.data import BatchSampler, DataLoader

from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.checks.training_step import tensors_in

Part = frozenset[bytes]

# Which loaders Lightning asks for after `setup` of a stage.
LOADERS = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
}


def _complete(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Return the loader without ``drop_last``, which drops other samples each epoch."""
    sampler = loader.batch_sampler
    if type(sampler) is not BatchSampler or not sampler.drop_last:
        return loader
    batches = BatchSampler(sampler.sampler, sampler.batch_size, drop_last=False)
    return DataLoader(
        loader.dataset, batch_sampler=batches, collate_fn=loader.collate_fn
    )


def digests(loader: Any) -> list[bytes]:
    """Return a digest of each sample, in the order in which ``loader`` delivers them.

    Args:
        loader: Delivers batches; the first tensor of each holds the samples, shape
            ``(batch, ...)``.

    Raises:
        CannotCheck: If a batch holds no tensor.
    """
    batches = _complete(loader) if isinstance(loader, DataLoader) else loader
    found = []
    for batch in batches:
        tensors = tensors_in(batch)
        if not tensors:
            raise CannotCheck("The check reads tensors, and the batches hold none.")
        rows = tensors[0].detach().cpu().contiguous().numpy()
        found += [hashlib.sha1(row.tobytes()).digest() for row in rows]
    return found


def parts(data_module: L.LightningDataModule, stage: str) -> dict[str, Part]:
    """Run ``setup(stage)`` and return the contents of that stage's loaders by name.

    Raises:
        LearnerError: If ``setup`` or a loader raises, or a part is empty.
    """
    with learners_code(f"setup({stage!r})"):
        data_module.setup(stage)
    found = {}
    for name in LOADERS[stage]:
        with learners_code(f"{name}_dataloader"):
            found[name] = frozenset(
                digests(getattr(data_module, f"{name}_dataloader")())
            )
        if not found[name]:
            raise LearnerError(f"{name}_dataloader delivers no samples.")
    return found
