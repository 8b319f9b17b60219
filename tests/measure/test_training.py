"""What a training run holds, and a trace of memory against operations."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from course_utils.hardware import quiet_trainer
from course_utils.measure import MemoryTrace, TrainingMemory

FLOAT = 4  # bytes
LOADER = DataLoader(TensorDataset(torch.ones(16, 8)), batch_size=4)


class Line(L.LightningModule):
    def __init__(self, optimizer=torch.optim.Adam):
        super().__init__()
        self.layer = nn.Linear(8, 3)
        self.optimizer = optimizer
        self.kept = []

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self):
        return self.optimizer(self.parameters(), lr=0.1)


class Keeps(Line):
    def training_step(self, batch, batch_idx):
        self.kept.append(self.layer(batch[0]).square().mean())
        return super().training_step(batch, batch_idx)


class Fails(Line):
    def on_train_batch_end(self, *_):
        raise KeyError


def fitted(module, **options):
    memory = TrainingMemory()
    options = quiet_trainer(accelerator="cpu", max_epochs=1, **options)
    L.Trainer(callbacks=[memory], **options).fit(module, LOADER)
    return memory


def test_adam_keeps_two_numbers_and_a_step_count_for_each_parameter():
    memory = fitted(Line())
    assert memory.weights == memory.gradients == (8 * 3 + 3) * FLOAT
    assert memory.optimizer == 2 * memory.weights + 2 * FLOAT


def test_plain_sgd_keeps_nothing():
    assert fitted(Line(torch.optim.SGD)).optimizer == 0


def test_input_and_output_are_saved_and_let_go():
    memory = fitted(Line())
    assert memory.saved == (4 * 8 + 4 * 3) * FLOAT
    assert memory.held == [0, 0, 0, 0]


def test_a_graph_kept_is_held_step_after_step():
    first, *_, last = fitted(Keeps()).held
    assert last == 4 * first > 0


def test_accumulation_does_not_hide_the_gradients():
    memory = fitted(Line(), accumulate_grad_batches=4)
    assert memory.gradients == memory.weights


def test_two_byte_weights_are_half():
    full, half = fitted(Line()), fitted(Line(), precision="bf16-mixed")
    assert half.weights == full.weights
    # Input and weight's copy are two bytes each; only the input was saved in full.
    assert half.saved != full.saved


def test_megabytes_are_the_same_numbers():
    memory = fitted(Line())
    assert memory.megabytes() == {
        "weights (MB)": memory.weights / 2**20,
        "gradients (MB)": memory.gradients / 2**20,
        "optimizer state (MB)": memory.optimizer / 2**20,
        "saved for backward (MB)": memory.saved / 2**20,
    }


def test_after_an_error_nothing_is_followed_any_more():
    memory = TrainingMemory()
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    with pytest.raises(KeyError):
        L.Trainer(callbacks=[memory], **options).fit(Fails(), LOADER)
    before = memory._tensors.live
    out = nn.Linear(8, 3)(torch.ones(4, 8)).square()
    assert out.requires_grad
    assert memory._tensors.live == before


def test_views_and_changes_in_place_make_no_memory():
    outside = torch.ones(100)
    with MemoryTrace() as trace:
        outside[:10].add_(1)
        inside = outside * 2
        window = inside.view(10, 10)[0]
    assert trace.live == 100 * FLOAT
    del inside
    assert trace.live == 100 * FLOAT
    del window
    assert trace.live == 0
    assert trace.peak == 100 * FLOAT


def test_what_is_there_for_a_moment_counts_for_the_peak():
    with MemoryTrace() as trace:
        total = (torch.ones(1000) + 1).sum()
    assert trace.peak == 2 * 1000 * FLOAT
    assert trace.live == total.nbytes == FLOAT


def step(recompute, groups=2):
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(32, 32), nn.Tanh()) for _ in range(24)]
    net = nn.Sequential(*blocks)
    x = torch.ones(256, 32, requires_grad=True)
    with MemoryTrace() as trace:
        hidden = x + 0
        size = 24 // groups
        for i in range(0, 24, size):
            part = net[i : i + size]
            hidden = (
                checkpoint(part, hidden, use_reentrant=False)
                if recompute
                else part(hidden)
            )
        F.mse_loss(hidden, torch.zeros_like(hidden)).backward()
    return trace


def test_recomputed_activations_count_for_the_peak():
    plain, one, four = step(False), step(True, 1), step(True, 4)
    assert one.peak > 0.9 * plain.peak
    assert four.peak < 0.8 * plain.peak


def test_flops_are_those_of_torchs_own_counter():
    net, images = nn.Conv2d(1, 4, 3), torch.ones(2, 1, 9, 9)
    with FlopCounterMode(display=False) as counter:
        net(images).sum().backward()
    with MemoryTrace() as trace:
        net(images).sum().backward()
    assert trace.flops == counter.get_total_flops() > 0


def test_the_trace_goes_from_the_first_operation_to_the_last():
    trace = step(False)
    flops, held = zip(*trace.bytes_by_flops, strict=True)
    assert list(flops) == sorted(flops)
    assert flops[-1] == trace.flops
    assert max(held) == trace.peak
