"""The exercises of lesson 13, performance."""

from collections.abc import Iterator
from typing import Any

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError
from course_utils.checks.sample_data import lesson_images
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_13.benchmark_mode import (
    MANY_SIZES,
    restores_benchmark_mode,
    trains_in_benchmark_mode,
    trains_without_benchmark_mode,
)
from course_utils.exercises.lesson_13.per_image_augmentation import (
    differs_per_call,
    differs_per_image,
    draws_evenly,
    draws_for_one_image,
    draws_independently,
    keeps_form,
    keeps_input,
    moves_sideways,
    needs_no_loop,
)
from course_utils.exercises.lesson_13.tunable_batch_size import (
    delivers_requested_size,
    finds_and_delivers,
    shuffles,
)
from course_utils.exercises.lesson_13.worker_processes import (
    serves_all,
    workers_persist,
)


def _callable(answer: Any, what: str) -> Any:
    if not callable(answer):
        raise LearnerError(
            f"Expected {what} but got {type(answer).__name__}; hand it over without "
            "calling it."
        )
    return answer


# 13.1 ---------------------------------------------------------------------------


def keeps_its_workers(answer: Any) -> Iterator[Finding]:
    """Examine exercise 13.1: with no workers, with one, two and three."""
    make = _callable(answer, "a function")
    yield from serves_all(make, 0, batch_size=16)
    for workers in (0, 3, 1):
        yield workers_persist(make, workers)
    yield from serves_all(make, 2, batch_size=16)


_13_1 = Exercise(
    practice="13.1",
    examine=keeps_its_workers,
    hints=(
        "Which option of the lesson's good loader is missing here? Try it with "
        "`workers=0`, too.",
        "`persistent_workers=True` is an error when there are no workers. Can the "
        "option depend on `workers`?",
        "persistent_workers=workers > 0",
    ),
    reason="Workers that exist stay for every epoch; without any, the option is off.",
)

# 13.2 ---------------------------------------------------------------------------


def decides_on_benchmark_mode(answer: Any) -> Iterator[Finding]:
    """Examine exercise 13.2: one size and many, from off and from on, with errors."""
    train = _callable(answer, "a function")
    yield from trains_in_benchmark_mode(train)
    for sizes in MANY_SIZES:
        yield from trains_without_benchmark_mode(train, sizes, before=False)
    yield from trains_without_benchmark_mode(train, MANY_SIZES[0], before=True)
    errors = {True: RuntimeError("on purpose"), False: ValueError("on purpose")}
    for before in errors:
        yield restores_benchmark_mode(train, before=before)
    yield restores_benchmark_mode(train, before=True, sizes=MANY_SIZES[0])
    for before, error in errors.items():
        yield restores_benchmark_mode(train, before=before, error=error)
    failure = KeyError("on purpose")
    yield restores_benchmark_mode(
        train, before=True, error=failure, sizes=MANY_SIZES[0]
    )


_13_2 = Exercise(
    practice="13.2",
    examine=decides_on_benchmark_mode,
    hints=(
        "Which part of a batch's shape has to be equal in all batches? And what does "
        "the last line do for a user who had turned benchmark mode on?",
        "Collect `images.shape[1:]` of all batches in a set. Save "
        "`torch.backends.cudnn.benchmark` before you make the Trainer. Which statement "
        "of Python runs its block even after an error?",
        "L.Trainer(benchmark=len(sizes) == 1, ...) inside `try:`, and in `finally:` "
        "torch.backends.cudnn.benchmark = before",
    ),
    reason="The mode is on for one size, off for several, and afterwards as before.",
)

# 13.3 ---------------------------------------------------------------------------


def obeys_finder_and_user(answer: Any) -> Iterator[Finding]:
    """Examine exercise 13.3: two memory limits, two sizes that a user asks for."""
    make = _callable(answer, "a LightningDataModule class")
    for limit in (100, 300):
        yield from finds_and_delivers(make, limit)
    for size in (48, 7):
        yield delivers_requested_size(make, size)
    yield shuffles(make)


_13_3 = Exercise(
    practice="13.3",
    examine=obeys_finder_and_user,
    hints=(
        "When is the loader built, and when does the finder set the attribute?",
        "The finder sets `batch_size` and calls `train_dataloader` again. What would "
        "that method have to do each time?",
        "Keep the dataset in __init__. In train_dataloader return "
        "DataLoader(self.dataset, batch_size=self.batch_size, shuffle=True).",
    ),
    reason="A loader that is built when it is asked for has the size of that moment.",
)

# 13.4 ---------------------------------------------------------------------------


def shifts_each_image(answer: Any) -> Iterator[Finding]:
    """Examine exercise 13.4 on images with three empty columns at both sides.

    Those in colour have a different height and width.
    """
    transform = _callable(answer, "a function")
    images, _ = lesson_images(140)
    images[..., :3] = 0
    images[..., -3:] = 0
    in_colour = images[:, :1].repeat(1, 3, 1, 1)[..., 4:, 2:]
    in_colour[..., :3] = 0
    yield keeps_form(transform, images)
    yield keeps_form(transform, in_colour)
    yield differs_per_image(transform, images[0], least=7)
    yield from needs_no_loop(transform, images[0])
    yield moves_sideways(transform, in_colour, 3)
    yield draws_evenly(transform, images[0], 3)
    yield differs_per_call(transform, images)
    yield draws_for_one_image(transform, images[:1], least=7)
    yield draws_independently(transform, images[0], 3)
    yield keeps_input(transform, images)


_13_4 = Exercise(
    practice="13.4",
    examine=shifts_each_image,
    hints=(
        "`torch.randint(-3, 4, (1,))` draws one number. How many do you need?",
        "`roll` takes one number for all images. Which operation picks, for every "
        "image, the columns that you name? For example columns 3, 4, ..., 27, 0, 1, 2.",
        "columns = (torch.arange(width) - pixels[:, None]) % width has the shape "
        "(batch, width). Give it two more axes, expand it to images.shape, and use "
        "images.gather(3, columns).",
    ),
    reason="Each image moves by a number of its own, without a loop over images.",
)

EXERCISES = (_13_1, _13_2, _13_3, _13_4)
