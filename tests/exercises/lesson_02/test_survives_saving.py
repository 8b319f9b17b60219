"""Ways to keep a tensor, and whether a reloaded module still knows it."""

import lightning as L
import pytest
import torch
from torch import nn

from course_utils.checks.devices import runs_on
from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_02.survives_saving import (
    changed_tensors,
    reloaded,
    survives_saving,
    tensors_of,
)

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="pretends a GPU")


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

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])


class Buffer(Shifts):
    def keep(self, mean):
        self.register_buffer("mean", mean)


class NewBuffer(Shifts):
    def keep(self, mean):
        self.mean = nn.Buffer(mean)


class AssignedBuffer(Buffer):
    def learn(self, images):
        self.mean = images.mean(0)


class FrozenParameter(Shifts):
    def keep(self, mean):
        self.mean = nn.Parameter(mean, requires_grad=False)


class Child(Shifts):
    def keep(self, mean):
        self.child = nn.Module()
        self.child.register_buffer("mean", mean)

    def look(self):
        return self.child.mean


class ExtraState(Shifts):
    def keep(self, mean):
        self.register_buffer("mean", mean, persistent=False)

    def get_extra_state(self):
        return {"mean": self.mean}

    def set_extra_state(self, state):
        self.mean = state["mean"]


class Hooks(Shifts):
    def keep(self, mean):
        self.register_buffer("mean", mean, persistent=False)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["mean"] = self.mean

    def on_load_checkpoint(self, checkpoint):
        self.mean = checkpoint["mean"]


class Constant(Shifts):
    """A constant need not be saved: every instance makes the same."""

    def keep(self, mean):
        self.register_buffer("mean", mean + 1, persistent=False)

    def learn(self, images):
        pass


class Plain(Shifts):
    pass


class Unsaved(Shifts):
    def keep(self, mean):
        self.register_buffer("mean", mean, persistent=False)


class InADict(Shifts):
    def keep(self, mean):
        self.kept = {"mean": mean}

    def look(self):
        return self.kept["mean"]


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


# class, survives a reload, runs on a GPU
VARIANTS = [
    (Buffer, True, True),
    (NewBuffer, True, True),
    (AssignedBuffer, True, True),
    (FrozenParameter, True, True),
    (Child, True, True),
    (ExtraState, True, True),
    (Hooks, True, True),
    (Constant, True, True),
    (Plain, False, False),
    (Unsaved, False, True),
    (InADict, False, False),
    (InAList, False, False),
    (OnAPlainChild, False, False),
    (OutsideTheModule, False, False),
]


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


@pytest.mark.parametrize(("module_class", "survives", "_"), VARIANTS)
def test_a_reload_tells_what_is_kept(module_class, survives, _):
    assert finding_of(module_class).ok is survives


@needs_no_gpu
@pytest.mark.parametrize(("module_class", "_", "moves"), VARIANTS)
def test_a_pretended_gpu_tells_what_moves(module_class, _, moves):
    batch = torch.rand(4, 6), torch.tensor([0, 1, 2, 0])
    assert runs_on(module_class(), batch, "cuda:1").ok is moves


@pytest.mark.parametrize(
    ("module_class", "name"),
    [
        (Plain, "mean"),
        (Unsaved, "mean"),
        (InADict, "kept['mean']"),
        (InAList, "kept[0][0]"),
        (OnAPlainChild, "child.mean"),
    ],
)
def test_what_did_not_come_back_is_named(module_class, name):
    finding = finding_of(module_class)
    assert finding.seen.endswith(f"something else: {name} did not come back.")
    assert finding.remedy == "Register what was learned as a buffer."


def test_a_loss_that_nobody_can_name_is_told_all_the_same():
    seen = finding_of(OutsideTheModule).seen
    assert seen == "The reloaded module predicts something else."


def test_a_buffer_that_comes_too_late_cannot_be_loaded():
    finding, twin = survives_saving(taught(Late), ask)
    assert twin is None
    assert finding.ok is False
    assert "Loading the checkpoint raised RuntimeError" in finding.seen
    assert finding.remedy == "Create in __init__ what the checkpoint is to fill."


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
    twin = reloaded(module)
    assert twin is not module
    assert changed_tensors(module, twin) == []
    assert changed_tensors(taught(Plain), reloaded(taught(Plain))) == ["mean"]


def test_every_tensor_is_found_once_and_nothing_of_lightnings_own():
    assert sorted(tensors_of(taught(InAList))) == [
        "kept[0][0]",
        "net.bias",
        "net.weight",
    ]
