"""Is a metric exact, in one process and in two?"""

import lightning as L
import pytest
import torch
from learner import answer, classifier
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks import several_processes
from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.checks.metrics import metrics_are_exact, reported

VALIDATES = """
def validation_step(self, batch, batch_idx):
    self.log("mean_label", batch[1].float().mean(){})
"""


def _module(more: str = ""):
    return answer(classifier(VALIDATES.format(more)))()


def _loader() -> DataLoader:
    """Even labels 0, 2, 4 go to the first process, odd ones 1, 3, 5 to the second."""
    data = TensorDataset(torch.zeros(6, 1, 28, 28), torch.arange(6))
    return DataLoader(data, batch_size=3)


def test_one_process_sees_all_images():
    assert reported(_module(), _loader()) == {"mean_label": 2.5}


@pytest.mark.parametrize(
    ("more", "value"), [("", 2.0), (", sync_dist=True", 2.5)], ids=["alone", "synced"]
)
def test_two_processes_see_one_half_each(more, value):
    assert reported(_module(more), _loader(), processes=2) == {"mean_label": value}


class ThreeMetrics(L.LightningModule):
    """Logs mean, largest and sum of the labels; only the mean without `reduce_fx`."""

    def __init__(self, names=("mean", "top", "sum"), reduce=("mean", "max", "sum")):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.names, self.reduce = names, reduce

    def validation_step(self, batch, batch_idx):
        values = batch[1].float()
        scores = (values.mean(), values.max(), values.sum())
        for name, score, reduce in zip(self.names, scores, self.reduce, strict=True):
            self.log(name, score, reduce_fx=reduce)


TRUTHS = {"mean": 2.5, "top": 5.0, "sum": 15.0}
MISTAKES = {"mean": {"Too small.": 1.0, "The first process's.": 2.0}}


def exact(module, processes=1):
    found = metrics_are_exact(
        module, _loader(), TRUTHS, MISTAKES, otherwise="Combine.", processes=processes
    )
    return list(found)


def test_each_metric_is_judged_in_one_validation():
    assert [each.ok for each in exact(ThreeMetrics())] == [True] * 3
    averages = exact(ThreeMetrics(reduce=["mean"] * 3))
    assert [each.ok for each in averages] == [True, False, False]


def test_a_known_mistake_is_named():
    mean, other, *rest = exact(ThreeMetrics(), processes=2)
    assert (mean.ok, mean.remedy) == (False, "The first process's.")
    assert mean.seen == "mean is 2.000 with 2 processes; the exact value is 2.500."
    assert other.seen == (
        "mean is 3.000 in process 1 of 0 to 1; the exact value is 2.500."
    )
    assert {each.remedy for each in rest} <= {"Combine.", ""}


def test_an_earlier_validation_goes_through_the_same_module():
    class Adds(ThreeMetrics):
        total = 0.0

        def validation_step(self, batch, batch_idx):
            self.total += batch[1].sum()
            self.log("sum", self.total, reduce_fx="max")

    found = metrics_are_exact(
        Adds(), _loader(), {"sum": 15.0}, {}, otherwise="", before=_loader()
    )
    assert [each.seen for each in found] == [
        "sum is 30.000 with 1 process; the exact value is 15.000."
    ]


def test_a_missing_metric_is_named():
    first, *others = exact(ThreeMetrics(("average", "top", "sum")))
    assert first.seen == "No metric named 'mean' was logged (found: average, top, sum)."
    assert first.remedy == 'Log it with self.log("mean", ...).'
    assert [each.ok for each in others] == [True, True]


def test_an_error_in_a_process_is_one_sentence_without_its_number():
    with pytest.raises(LearnerError) as caught:
        reported(_module(", nonsense=1"), _loader(), processes=2)
    assert str(caught.value).startswith(
        "With 2 processes: Validation raised TypeError: "
    )


def test_a_machine_without_a_second_process_is_no_fault_of_the_learner(monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("fork is forbidden")

    monkeypatch.setattr(several_processes, "run_processes", refuse)
    with pytest.raises(CannotCheck, match="No second process could be started: fork"):
        reported(_module(), _loader(), processes=2)
