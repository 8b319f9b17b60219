"""Is a metric exact, in one process and in two?"""

import pytest
import torch
from learner import answer, classifier
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks import metrics
from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.checks.metrics import metric_is_exact, reported

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


def test_a_known_mistake_is_named():
    mistakes = {"Too small.": 2.0, "That of all.": 2.5}
    found = metric_is_exact(_module, _loader(), "mean_label", 3.0, mistakes)
    assert (found.ok, found.remedy) == (False, "That of all.")
    assert found.seen == "mean_label is 2.500 with 1 process, exact is 3.000."


def test_an_error_in_a_process_is_one_sentence_without_its_number():
    with pytest.raises(LearnerError) as caught:
        reported(_module(", nonsense=1"), _loader(), processes=2)
    assert str(caught.value).startswith(
        "With 2 processes: Validation raised TypeError: "
    )


def test_a_machine_without_a_second_process_is_no_fault_of_the_learner(monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("fork is forbidden")

    monkeypatch.setattr(metrics, "run_processes", refuse)
    with pytest.raises(CannotCheck, match="No second process could be started: fork"):
        reported(_module(), _loader(), processes=2)
