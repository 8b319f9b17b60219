"""What exercise 2.3 cannot show: tensors that hide, files that do not load."""

import lightning as L
import pytest
import torch
from torch import nn

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_02.saving import (
    changed_tensors,
    survives_saving,
    tensors_of,
)


class Shifts(L.LightningModule):
    """Subtracts a mean that it learned; subclasses say where it is kept."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(6, 3)
        self.keep(torch.zeros(6))

    def keep(self, mean):
        self.mean = mean

    def look(self):
        return self.mean

    def learn(self, images):
        self.look().copy_(images.mean(0))

    def forward(self, images):
        return self.net(images - self.look())


class Buffer(Shifts):
    def keep(self, mean):
        self.register_buffer("mean", mean)


class AssignedBuffer(Buffer):
    def learn(self, images):
        self.mean = images.mean(0)


class Child(Shifts):
    def keep(self, mean):
        self.child = nn.Module()
        self.child.register_buffer("mean", mean)

    def look(self):
        return self.child.mean


class Constant(Shifts):
    """A constant need not be saved: every instance makes the same."""

    def keep(self, mean):
        self.register_buffer("mean", mean + 1, persistent=False)

    def learn(self, images):
        pass


class Plain(Shifts):
    pass


class InAList(Shifts):
    def keep(self, mean):
        self.kept = [(mean,)]

    def look(self):
        return self.kept[0][0]


class OnAPlainChild(Child):
    def keep(self, mean):
        self.child = nn.Module()
        self.child.mean = mean


class Late(Shifts):
    """Registers the buffer when it learns: a new instance has no place for it."""

    def keep(self, mean):
        pass

    def look(self):
        return getattr(self, "mean", torch.zeros(6))

    def learn(self, images):
        self.register_buffer("mean", images.mean(0))


class OutsideTheModule(Shifts):
    """Hides the tensor where nobody can name it."""

    def keep(self, mean):
        self.look = lambda: mean


def taught(module_class):
    torch.manual_seed(0)
    module = module_class()
    with torch.no_grad():
        module.learn(torch.rand(20, 6))
    return module


def ask(module):
    return module(torch.linspace(0, 1, 30).view(5, 6))


def finding_of(module_class) -> Finding:
    return survives_saving(taught(module_class), ask)[0]


@pytest.mark.parametrize("module_class", [Buffer, AssignedBuffer, Child, Constant])
def test_what_is_saved_or_made_again_survives(module_class):
    assert finding_of(module_class).ok is True


@pytest.mark.parametrize(
    ("module_class", "name"),
    [
        (Plain, "mean"),
        (InAList, "kept[0][0]"),
        (OnAPlainChild, "child.mean"),
    ],
)
def test_what_did_not_come_back_is_named(module_class, name):
    finding = finding_of(module_class)
    assert finding.seen.endswith(f"something else: {name} did not come back.")
    assert finding.remedy.startswith("What was learned has to be in the checkpoint")


def test_a_loss_that_nobody_can_name_is_told_all_the_same():
    seen = finding_of(OutsideTheModule).seen
    assert seen == "The reloaded module predicts something else."


def test_a_buffer_that_comes_too_late_cannot_be_loaded():
    finding, copy = survives_saving(taught(Late), ask)
    assert copy is None
    assert finding.ok is False
    assert "Loading the checkpoint raised RuntimeError" in finding.seen
    assert finding.remedy.startswith("A new instance has to have a place for all")


class BreaksWhileSaving(Buffer):
    def on_save_checkpoint(self, checkpoint):
        raise KeyError("mean")


class Misspelt(Buffer):
    def forward(self, images):
        return self.nett(images)


@pytest.mark.parametrize(
    ("module_class", "words"),
    [
        (BreaksWhileSaving, "Saving raised KeyError"),
        (Misspelt, "forward raised AttributeError"),
    ],
)
def test_an_error_of_the_module_is_a_sentence(module_class, words):
    module = taught(module_class)
    with pytest.raises(LearnerError, match=words):
        survives_saving(module, ask)


def test_the_reloaded_module_is_another_object_with_equal_tensors():
    module = taught(Buffer)
    _, copy = survives_saving(module, ask)
    assert copy is not module
    assert changed_tensors(module, copy) == []
    _, copy = survives_saving(taught(Plain), ask)
    assert changed_tensors(taught(Plain), copy) == ["mean"]


def test_every_tensor_is_found_once_and_nothing_of_lightnings_own():
    assert sorted(tensors_of(taught(InAList))) == [
        "kept[0][0]",
        "net.bias",
        "net.weight",
    ]


def test_asking_leaves_a_frozen_part_in_evaluation_mode():
    module = taught(Buffer)
    module.frozen = nn.Dropout().eval()
    survives_saving(module, ask)
    assert (module.training, module.frozen.training) == (True, False)
