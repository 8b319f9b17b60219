"""Is the reported number that of its epoch?"""

import pytest
import torch
from learner import answer, classifier

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_12.epoch_metrics import (
    epoch_values,
    exact,
    reports_each_epoch,
)

VALIDATES = """
def validation_step(self, batch, batch_idx):
    self.log("mean_label", batch[1].float().mean(){})
"""
# The means by hand: (0 + 2 + 4 + 10) / 4 and 7 / 1.
EPOCHS = [
    [
        (torch.zeros(3, 1, 28, 28), torch.tensor([0, 2, 4])),
        (torch.zeros(1, 1, 28, 28), torch.tensor([10])),
    ],
    [(torch.zeros(1, 1, 28, 28), torch.tensor([7]))],
]


def _mean_label(_: torch.Tensor, labels: torch.Tensor) -> float:
    return labels.float().mean().item()


def _module(more: str = ""):
    return answer(classifier(VALIDATES.format(more)))()


def test_values_are_what_callbacks_see_of_each_epoch():
    assert epoch_values(_module(), EPOCHS, "mean_label") == [4.0, 7.0]
    assert epoch_values(_module(), EPOCHS, "median") == [None, None]


def test_exact_pools_the_batches():
    assert exact(EPOCHS[0], _mean_label) == 4.0


@pytest.mark.parametrize(
    ("more", "oks"), [("", [True, True]), (", batch_size=1", [False, True])]
)
def test_every_epoch_is_asked(more, oks):
    found = reports_each_epoch(_module(more), EPOCHS, "mean_label", _mean_label, {})
    assert [each.ok for each in found] == oks


def test_a_known_mistake_is_named():
    mistakes = {"Far off.": lambda _: 9.0, "Batch votes.": lambda _: 6.0}
    module = _module(", batch_size=1")
    found = reports_each_epoch(module, EPOCHS, "mean_label", _mean_label, mistakes)
    assert found[0].remedy == "Batch votes."
    assert found[0].seen == "After epoch 1 mean_label is 6.000, exact is 4.000."


def test_a_missing_name_is_told():
    found = reports_each_epoch(_module(), EPOCHS[:1], "acc", _mean_label, {})
    assert str(found[0]) == (
        "✗ Callbacks find no 'acc' after epoch 1. Log it with self.log(\"acc\", ...)."
    )


def test_an_error_in_validation_is_the_learners():
    with pytest.raises(LearnerError, match="Validation raised TypeError"):
        epoch_values(_module(", nonsense=1"), EPOCHS, "mean_label")
