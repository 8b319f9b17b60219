"""What does a loader deliver? Each sample as a digest of its bytes."""

import hashlib
from typing import Any

from torch.utils.data import BatchSampler, DataLoader

from course_utils.checks.learner_code import CannotCheck
from course_utils.checks.training_step import tensors_in


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
            ``(batch, ...)``; single numbers before it are left out.

    Raises:
        CannotCheck: If a batch holds no tensor.
    """
    batches = _complete(loader) if isinstance(loader, DataLoader) else loader
    found = []
    for batch in batches:
        tensors = [each for each in tensors_in(batch) if each.dim()]
        if not tensors:
            raise CannotCheck("The check reads tensors, and the batches hold none.")
        rows = tensors[0].detach().cpu().contiguous().numpy()
        found += [hashlib.sha1(row.tobytes()).digest() for row in rows]
    return found
