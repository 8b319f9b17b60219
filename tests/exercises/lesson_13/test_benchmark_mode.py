import lightning as L
import pytest
import torch

from course_utils.exercises.lesson_13.benchmark_mode import as_it_was, on_while_training
from course_utils.hardware import quiet_trainer

CASES = [(before, fails) for before in (False, True) for fails in (False, True)]


def fit(module, loader, **options):
    L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"), **options).fit(
        module, loader
    )


def tidy(module, loader):
    before = torch.backends.cudnn.benchmark
    try:
        fit(module, loader, benchmark=True)
    finally:
        torch.backends.cudnn.benchmark = before


def always_off(module, loader):
    try:
        fit(module, loader, benchmark=True)
    finally:
        torch.backends.cudnn.benchmark = False


def swallows(module, loader):
    try:
        tidy(module, loader)
    except RuntimeError:
        return


def verdicts(train):
    return [as_it_was(train, before=b, fails=f).ok for b, f in CASES]


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (tidy, [True, True, True, True]),
        (lambda m, d: fit(m, d, benchmark=True), [False, False, True, True]),
        (always_off, [True, True, False, False]),
        (swallows, [True, False, True, False]),
        (fit, [True, True, True, True]),
    ],
    ids=["tidy", "leaves it on", "always off", "swallows errors", "never on"],
)
def test_the_switch_must_be_as_it_was(train, expected):
    assert verdicts(train) == expected


def test_the_switch_must_be_on_while_training():
    assert [each.ok for each in on_while_training(tidy)] == [True, True]
    assert [each.ok for each in on_while_training(fit)] == [True, False]


def test_a_function_that_does_not_train_is_told_so():
    training, _ = on_while_training(lambda module, loader: None)
    assert training.seen == "The function trained on 0 of 3 batches."
    assert training.ok is False


def test_the_switch_of_this_process_stays():
    assert torch.backends.cudnn.benchmark is False
    verdicts(lambda module, loader: fit(module, loader, benchmark=True))
    assert torch.backends.cudnn.benchmark is False
