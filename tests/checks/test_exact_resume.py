"""Runs that resume exactly or not, at several places, and what is said about them."""

import random

import lightning as L
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from course_utils.checks.exact_resume import resumes_exactly
from course_utils.checks.interrupted_run import Place, run
from course_utils.checks.learner_code import LearnerError
from course_utils.checks.run_trace import RunTrace, coverage, distances
from course_utils.exercises.lesson_05.resumable_parts import (
    EpochSampler,
    KeepsItsPlace,
    KeepsRandomState,
)
from course_utils.exercises.lesson_05.worker_draws import RandomNumbers
from course_utils.experiments import preserve_global_state

SIZE, BATCH = 40, 4  # 10 batches an epoch
pytestmark = pytest.mark.slow
PER_EPOCH = SIZE // BATCH
INPUTS = torch.randn(SIZE, 6, generator=torch.Generator().manual_seed(0))
DATA = TensorDataset(INPUTS, torch.arange(SIZE) % 3)
MIDDLE, END, VALIDATED = Place("batch", 13), Place("epoch", 1), Place("validation", 1)
EVERYWHERE = [Place("batch", n) for n in (1, 9, 10, 11, 19)] + [END, VALIDATED]


@pytest.fixture(autouse=True)
def _leave_no_trace():
    with preserve_global_state():
        yield


class Net(L.LightningModule):
    """Draws from all three generators: dropout, noise and a sign."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.3), nn.Linear(8, 3))

    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        inputs = inputs * random.choice([-1, 1]) + 0.1 * np.random.normal()
        return F.cross_entropy(self.net(inputs), labels)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


class Recipe(Net):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["rng"] = {"numpy": np.random.get_state()}

    def on_load_checkpoint(self, checkpoint):
        np.random.set_state(checkpoint["rng"]["numpy"])


class PlainRecipe(Net):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["rng"] = KeepsRandomState().state_dict()

    def on_load_checkpoint(self, checkpoint):
        keeper = KeepsRandomState()
        keeper.load_state_dict(checkpoint["rng"])
        keeper.on_train_start(None, self)


class OwnGenerator(Net):
    def __init__(self):
        super().__init__()
        self.own = torch.Generator().manual_seed(0)

    def training_step(self, batch, batch_idx):
        noise = torch.randn(batch[0].shape, generator=self.own)
        return super().training_step((batch[0] + noise, batch[1]), batch_idx)


class OwnGeneratorSaved(OwnGenerator):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["own"] = self.own.get_state()

    def on_load_checkpoint(self, checkpoint):
        self.own.set_state(checkpoint["own"])


class AverageInAPlainTensor(Net):
    """Learns a mean that is no buffer; the weights depend on it."""

    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(6)

    def training_step(self, batch, batch_idx):
        self.mean = 0.9 * self.mean + 0.1 * batch[0].mean(0)
        return super().training_step((batch[0] - self.mean, batch[1]), batch_idx)


class DrawsAConstant(Net):
    """Draws a factor once, and saves it nowhere: another process has another one."""

    def __init__(self):
        super().__init__()
        self.factor = random.uniform(0.5, 2)

    def training_step(self, batch, batch_idx):
        return super().training_step((batch[0] * self.factor, batch[1]), batch_idx)


class Shuffles(L.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(DATA, BATCH, shuffle=True)

    def val_dataloader(self):
        return DataLoader(DATA, 20)


class InOrder(Shuffles):
    def train_dataloader(self):
        return DataLoader(DATA, BATCH)


def data(**changes):
    module = KeepsItsPlace(DATA, DATA, batch_size=BATCH)
    for name, value in changes.items():
        setattr(module, name, value)
    return module


class ForgetsItsPlace(KeepsItsPlace):
    def load_state_dict(self, state_dict):
        pass


class OneBatchLate(KeepsItsPlace):
    def load_state_dict(self, state_dict):
        super().load_state_dict({"batches": state_dict["batches"] + 1})


def findings(build, places, **trainer):
    trainer = {"max_epochs": 3, **trainer}
    return list(resumes_exactly(build, places, **trainer))


def faults(build, places, **trainer):
    return [each for each in findings(build, places, **trainer) if not each.ok]


def bits_differ(place):
    return [f"the weights of a run resumed at {place}"]


def exact():
    return Net(), data(), [KeepsRandomState()]


@pytest.mark.parametrize("place", EVERYWHERE, ids=str)
def test_all_three_parts_are_exact_everywhere(place):
    assert not faults(exact, [place])


def test_accumulated_gradients_are_lost_between_two_updates():
    places = [Place("batch", n) for n in (5, 6, 10, 13)]  # updates after 3, 6, 9, 10
    found = faults(exact, places, accumulate_grad_batches=3, limit_val_batches=0)
    assert [each.asked for each in found] == bits_differ(places[0])


def test_a_place_with_a_last_batch_that_is_smaller_is_found_again():
    def build():
        return Net(), KeepsItsPlace(DATA, batch_size=7), [KeepsRandomState()]

    places = [Place("batch", n) for n in (5, 6, 8)]  # 6 batches an epoch
    assert not faults(build, places)


@pytest.mark.parametrize("module", [OwnGeneratorSaved])
def test_a_module_may_keep_a_generator_of_its_own(module):
    assert not faults(lambda: (module(), data(), [KeepsRandomState()]), [MIDDLE, END])


@pytest.mark.parametrize(
    ("build", "place"),
    [
        (lambda: (Net(), data(), []), MIDDLE),
        (lambda: (Net(), data(), []), END),
        (lambda: (Net(), data(generator=None), [KeepsRandomState()]), END),
        (lambda: (OwnGenerator(), data(), [KeepsRandomState()]), MIDDLE),
        (lambda: (DrawsAConstant(), data(), [KeepsRandomState()]), MIDDLE),
        (lambda: (AverageInAPlainTensor(), data(), [KeepsRandomState()]), MIDDLE),
    ],
    ids=[
        "no callback",
        "at the end",
        "no generator",
        "own generator",
        "a constant",
        "no buffer",
    ],
)
def test_the_same_samples_and_other_bits(build, place):
    found = faults(build, [place])
    assert [each.asked for each in found] == bits_differ(place)
    assert "A random generator was not put back" in found[0].remedy


@pytest.mark.parametrize(
    ("data_module", "twice"),
    [
        (lambda: ForgetsItsPlace(DATA, batch_size=BATCH), 12),
        (lambda: OneBatchLate(DATA, batch_size=BATCH), None),
        (InOrder, 12),
        (Shuffles, None),
    ],
    ids=["forgets its place", "one batch late", "in order", "shuffled"],
)
def test_other_samples_are_told_first(data_module, twice):
    found = faults(lambda: (Net(), data_module(), [KeepsRandomState()]), [MIDDLE])
    assert found[0].asked == "the samples after batch 13"
    if twice:  # three batches of the second epoch were behind it
        assert f"{twice} come a second time in this epoch, {twice}" in found[0].seen


def test_the_recipe_of_the_hooks_is_exact_at_the_end_of_an_epoch_only():
    def build():
        return PlainRecipe(), Shuffles(), []

    assert not faults(build, [END])
    assert faults(build, [VALIDATED])
    assert faults(build, [MIDDLE])


def test_what_does_not_load_is_named():
    first = next(
        each
        for each in resumes_exactly(
            lambda: (Recipe(), data(), []), [MIDDLE], max_epochs=2
        )
    )
    assert (first.ok, "numpy is a numpy.ndarray" in first.seen) == (False, True)
    with pytest.raises(LearnerError, match="Resuming raised UnpicklingError"):
        findings(lambda: (Recipe(), data(), []), [MIDDLE])


def test_a_place_that_is_never_reached_is_told():
    with pytest.raises(LearnerError, match="Training ended before batch 99"):
        findings(exact, [Place("batch", 99)])


def test_an_error_while_building_is_told_as_such():
    with pytest.raises(LearnerError, match="Building the module raised KeyError"):
        findings(lambda: {}["x"], [MIDDLE])


def test_a_run_depends_on_its_seed_alone():
    first, again, other = (
        run(lambda: (DrawsAConstant(), Shuffles(), []), seed, max_epochs=1)
        for seed in (1, 1, 2)
    )
    assert max(distances(first.trace, again.trace)) == 0
    assert min(distances(first.trace, other.trace)) > 0


def test_a_trace_knows_samples_epochs_and_weights(tmp_path):
    file = tmp_path / "x.ckpt"
    whole = run(exact, 1, save={MIDDLE: file}, max_epochs=2)
    trace = whole.trace
    assert trace.epochs == [0] * PER_EPOCH + [1] * PER_EPOCH
    assert len(trace.weights) == 2 * PER_EPOCH + 1
    assert len({each for batch in trace.samples[:PER_EPOCH] for each in batch}) == SIZE
    resumed = run(exact, 5, resume=file, max_epochs=2).trace
    assert resumed.start == 13
    assert distances(trace, resumed) == [0.0] * 8


def test_coverage_counts_by_hand():
    whole, resumed = RunTrace(), RunTrace()
    whole.samples = [[b"a", b"b"], [b"c", b"d"], [b"e", b"f"], [b"a", b"c"]]
    whole.epochs, resumed.start = [0, 0, 0, 1], 1
    resumed.samples, resumed.epochs = [[b"a", b"c"]], [0]
    found = coverage(whole, resumed)
    assert (found.due, found.twice, found.never) == (4, 1, 3)


def test_a_sampler_begins_anywhere_and_then_at_the_beginning():
    whole, part = EpochSampler(range(9), seed=2), EpochSampler(range(9), seed=2)
    part.start = 4
    assert list(part) == list(whole)[4:]
    assert sorted(part) == list(range(9))
    whole.set_epoch(1)
    assert list(whole) != list(part)
    assert len(whole) == 9


def test_draws_come_from_all_three_generators():
    assert isinstance(RandomNumbers(2), Dataset)
    for place, reseed in enumerate((random.seed, np.random.seed, torch.manual_seed)):
        random.seed(0), np.random.seed(0), torch.manual_seed(0)
        first = RandomNumbers(2)[0]
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        reseed(0)
        assert (RandomNumbers(2)[0] == first).tolist() == [i == place for i in range(3)]
    with pytest.raises(IndexError):
        RandomNumbers(2)[2]
