import pytest
import torch
from torchvision.transforms import v2

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_13.per_image_augmentation import (
    all_at_once,
    differs_per_call,
    differs_per_image,
    draws_independently,
    keeps_form,
    keeps_input,
    moves_sideways,
)

IMAGES = torch.zeros(70, 1, 8, 12)
IMAGES[..., 3:-3] = torch.rand(70, 1, 8, 6, generator=torch.Generator().manual_seed(0))
ROTATE = v2.RandomRotation(30)


def noisy(images):
    return images + torch.randn_like(images)


def one_noise(images):
    return images + torch.randn_like(images[:1])


def shifted(images, most=3):
    pixels = torch.randint(-most, most + 1, (len(images), 1, 1, 1))
    columns = (torch.arange(images.shape[3]) + pixels) % images.shape[3]
    return torch.take_along_dim(images, columns, 3)


def by_loop(transform):
    return lambda images: torch.stack([transform(image) for image in images])


@pytest.mark.parametrize(
    ("transform", "ok"),
    [
        (noisy, True),
        (shifted, True),
        (by_loop(ROTATE), True),
        (one_noise, False),
        (ROTATE, False),
        (lambda images: images, False),
    ],
    ids=["noise", "shift", "loop", "one noise", "a transform of a batch", "nothing"],
)
def test_equal_images_must_come_out_differently(transform, ok):
    assert differs_per_image(transform, IMAGES[0], least=7).ok is ok


def test_as_many_results_are_asked_for_as_the_caller_says():
    few = differs_per_image(lambda images: shifted(images, 1), IMAGES[0], least=4)
    assert few.seen == "64 equal images came out in 3 ways."
    assert not few.ok
    assert differs_per_image(lambda x: shifted(x, 1), IMAGES[0], least=3).ok


@pytest.mark.parametrize(
    ("transform", "ok"),
    [(noisy, True), (ROTATE, True), (by_loop(ROTATE), False)],
    ids=["noise", "a transform of a batch", "loop"],
)
def test_a_loop_over_images_is_found_by_its_operations(transform, ok):
    assert all_at_once(transform, IMAGES[0]).ok is ok


def test_a_transform_that_draws_nothing_is_the_same_at_each_call():
    assert differs_per_call(noisy, IMAGES).ok
    assert not differs_per_call(lambda images: images.flip(3), IMAGES).ok


@pytest.mark.parametrize(
    ("transform", "seen"),
    [
        (lambda x: x[:, :, 1:], "(70, 1, 8, 12) became (70, 1, 7, 12)."),
        (lambda x: x.double(), "float32 became float64."),
        (lambda x: x[: len(x) // 2 * 2], "(3, 1, 8, 12) became (2, 1, 8, 12)."),
        (noisy, "Shape and dtype stay."),
    ],
    ids=["shape", "dtype", "odd batches", "right"],
)
def test_shape_and_dtype_must_stay(transform, seen):
    assert keeps_form(transform, IMAGES).seen == seen


@pytest.mark.parametrize(
    ("transform", "ok"),
    [
        (shifted, True),
        (lambda x: shifted(x, 4), False),
        (lambda x: shifted(x, 2), False),
        (noisy, False),
        (lambda x: x.flip(3), False),
    ],
    ids=["right", "too far", "not far enough", "noise", "mirror"],
)
def test_only_moves_of_the_whole_range_count(transform, ok):
    assert moves_sideways(transform, IMAGES, 3).ok is ok


def test_the_images_given_to_a_transform_are_a_copy():
    before = IMAGES.clone()
    keeps_form(lambda images: images.zero_(), IMAGES)
    assert torch.equal(IMAGES, before)


def test_a_transform_that_returns_a_list_is_told_so():
    with pytest.raises(LearnerError, match="Expected a tensor of images but got list"):
        keeps_form(list, IMAGES)


def in_pairs(images):
    half = torch.randint(-3, 4, ((len(images) + 1) // 2,))
    pixels = half.repeat_interleave(2)[: len(images)].view(-1, 1, 1, 1)
    columns = (torch.arange(images.shape[3]) + pixels) % images.shape[3]
    return torch.take_along_dim(images, columns, 3)


@pytest.mark.parametrize(
    ("transform", "ok", "seen"),
    [
        (shifted, True, "moved by the same number."),
        (in_pairs, False, "(neighbours) 57%"),
    ],
    ids=["each its own", "two share one"],
)
def test_images_that_share_a_number_are_found(transform, ok, seen):
    finding = draws_independently(transform, IMAGES[0], 3)
    assert finding.ok is ok
    assert seen in finding.seen


@pytest.mark.parametrize("seed", range(5))
def test_numbers_of_their_own_pass_whatever_the_seed(seed):
    def seeded(images):
        torch.manual_seed(seed)
        return shifted(images)

    assert draws_independently(seeded, IMAGES[0], 3).ok


def test_a_transform_that_writes_into_its_input_is_found():
    assert keeps_input(shifted, IMAGES).ok
    assert not keeps_input(lambda images: images.mul_(2), IMAGES).ok
