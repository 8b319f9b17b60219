"""Samples as digests of their bytes."""

import hashlib

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    SequentialSampler,
    TensorDataset,
)

from course_utils.checks.learner_code import CannotCheck
from course_utils.checks.sample_digests import digests

SAMPLES = TensorDataset(torch.arange(100.0).view(100, 1), torch.arange(100) % 10)


def test_a_digest_is_that_of_the_bytes_of_a_sample():
    loader = DataLoader(SAMPLES, 3)
    expected = [hashlib.sha1(np.float32(i).tobytes()).digest() for i in range(100)]
    assert digests(loader) == expected
    rows = SAMPLES.tensors[0].split(7)
    assert digests([{"x": each} for each in rows]) == expected
    assert digests([{"size": torch.tensor(7), "x": each} for each in rows]) == expected


def test_a_custom_batch_sampler_is_followed():
    sampler = BatchSampler(SequentialSampler(range(10)), 4, drop_last=True)
    loader = DataLoader(SAMPLES, batch_sampler=sampler)
    assert len(digests(loader)) == 10
    assert len(digests(DataLoader(SAMPLES, batch_size=None))) == 100


def test_batches_without_tensors_cannot_be_checked():
    with pytest.raises(CannotCheck, match="the batches hold none"):
        digests(["text"])
