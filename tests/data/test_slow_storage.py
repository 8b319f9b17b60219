import time

import pytest
import torch
from torch.utils.data import DataLoader

from course_utils.data.in_memory import SlowStorage

IMAGES, LABELS = torch.arange(6.0).view(6, 1, 1, 1), torch.arange(6)


def test_it_hands_out_each_image_with_its_label():
    storage = SlowStorage(IMAGES, LABELS)
    assert [int(storage[i][1]) for i in range(len(storage))] == list(range(6))
    assert storage[3][0].item() == 3.0


def test_every_image_waits(monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    storage = SlowStorage(IMAGES, LABELS, milliseconds=4)
    _ = [storage[i] for i in range(3)]
    assert waits == [0.004] * 3


def test_without_a_wait_nothing_sleeps(monkeypatch):
    monkeypatch.setattr(time, "sleep", None)
    assert int(SlowStorage(IMAGES, LABELS)[5][1]) == 5


def test_each_image_goes_through_the_transform_when_it_is_read():
    storage = SlowStorage(IMAGES, LABELS, transform=lambda image: image + 1)
    assert [storage[i][0].item() for i in range(6)] == [1, 2, 3, 4, 5, 6]
    assert storage.images is IMAGES
    assert [int(storage[i][1]) for i in range(6)] == list(range(6))


def test_a_negative_wait_is_refused():
    with pytest.raises(ValueError, match="Expected milliseconds to be 0 or more"):
        SlowStorage(IMAGES, LABELS, milliseconds=-1)


@pytest.mark.slow
def test_a_worker_that_starts_afresh_can_unpickle_it():
    loader = DataLoader(
        SlowStorage(IMAGES, LABELS),
        batch_size=3,
        num_workers=1,
        multiprocessing_context="spawn",
    )
    assert [labels.tolist() for _, labels in loader] == [[0, 1, 2], [3, 4, 5]]
