import sys
import time
import warnings

import lightning as L
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.functional import accuracy as torchmetrics_accuracy

from course_utils.hardware import quiet_trainer
from course_utils.measure import (
    MetricCurve,
    Operations,
    OptimizerSteps,
    SavedTensors,
    accuracy,
    peak_megabytes,
    seconds,
    timing,
)

FLOAT = 4  # bytes


class Line(L.LightningModule):
    def __init__(self, name="train_loss"):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.name = name

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.layer(batch[0]), batch[1])
        self.log(self.name, loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(model, batches=32, callbacks=(), **changes):
    data = TensorDataset(torch.ones(batches * 2, 3), torch.zeros(batches * 2).long())
    trainer = L.Trainer(
        max_epochs=1,
        callbacks=list(callbacks),
        **quiet_trainer(accelerator="cpu", **changes),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(model, DataLoader(data, batch_size=2))
    return trainer


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 32), (4, 8), (5, 7)])
def test_32_batches_make_as_many_steps_as_groups(accumulate, steps):
    with OptimizerSteps() as counted:
        trainer = fit(Line(), accumulate_grad_batches=accumulate)
    assert counted.count == trainer.global_step == steps


def test_steps_that_the_trainer_does_not_know_are_counted_too():
    class OwnsItsOptimizer(Line):
        def training_step(self, batch, batch_idx):
            optimizer = torch.optim.SGD(self.layer.parameters(), lr=0.1)
            super().training_step(batch, batch_idx).backward()
            optimizer.step()

        def configure_optimizers(self):
            return None

    with OptimizerSteps() as counted:
        trainer = fit(OwnsItsOptimizer(), accumulate_grad_batches=4)
    assert counted.count == 32
    assert trainer.global_step == 8  # its stand-in for an optimizer "stepped"


def test_steps_outside_the_block_do_not_count_also_after_an_error():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)

    def count_and_fail():
        with counted:
            optimizer.step()
            raise KeyError

    counted = OptimizerSteps()
    optimizer.step()
    with pytest.raises(KeyError):
        count_and_fail()
    optimizer.step()
    assert counted.count == 1


def test_a_linear_layer_saves_its_input_only():
    layer, images = nn.Linear(784, 64), torch.ones(32, 784)
    with SavedTensors(ignore=layer.parameters()) as saved:
        out = layer(images)
    assert saved.live == saved.peak == 32 * 784 * FLOAT
    del out
    assert saved.live == 0
    assert saved.peak == 32 * 784 * FLOAT


def test_weights_that_are_not_ignored_count_when_saved():
    layer = nn.Linear(784, 64)
    images = torch.ones(32, 784, requires_grad=True)  # so its gradient needs the weight
    with SavedTensors() as saved:
        out = layer(images)
    assert saved.live == (32 * 784 + 784 * 64) * FLOAT
    assert out.requires_grad


def test_relu_saves_its_output_which_the_next_layer_shares():
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    with SavedTensors(ignore=net.parameters()) as saved:
        loss = net(torch.ones(5, 8)).sum()
    # Input of the first layer, and one tensor for relu and the second layer.
    assert saved.live == (5 * 8 + 5 * 16) * FLOAT
    loss.backward()
    assert saved.live == 0


def test_views_of_one_memory_count_once_and_in_full():
    x = torch.ones(100, requires_grad=True)
    with SavedTensors() as saved:
        product = x[:10] * x[50:60]
    assert saved.live == 100 * FLOAT
    del product
    assert saved.live == 0


def test_a_graph_kept_is_memory_kept_and_the_peak_is_the_sum():
    x = torch.ones(1000, requires_grad=True)
    with SavedTensors() as saved:
        losses = [(x + i).square().sum() for i in range(3)]
        assert saved.live == 3 * 1000 * FLOAT
        losses[0].backward()
        assert saved.live == 2 * 1000 * FLOAT
        del losses
        later = (x + 1).square().sum()
    assert saved.live == 1000 * FLOAT
    assert saved.peak == 3 * 1000 * FLOAT
    assert later.requires_grad


def test_a_graph_made_after_the_block_is_not_followed():
    x = torch.ones(10, requires_grad=True)
    with SavedTensors() as saved:
        pass
    assert (x * x).requires_grad
    assert (saved.live, saved.peak) == (0, 0)


def test_checkpointing_saves_the_input_instead_of_what_lies_between():
    x = torch.ones(1000, requires_grad=True)

    def block(x):
        return x.exp().exp().exp()

    with SavedTensors() as plain:
        out = block(x + 0)
    with SavedTensors() as thrifty:
        again = checkpoint(block, x + 0, use_reentrant=False)
    assert plain.live == 3 * 1000 * FLOAT
    assert thrifty.live == 1000 * FLOAT
    assert torch.equal(out, again)


def test_weights_stay_ignored_after_they_moved():
    layer = nn.Linear(784, 64)
    images = torch.ones(32, 784, requires_grad=True)
    with SavedTensors(ignore=layer.parameters()) as saved:
        layer.double().float()  # as .to(device) does: same parameter, other memory
        out = layer(images)
    assert saved.live == 32 * 784 * FLOAT
    assert out.requires_grad


def test_following_changes_no_gradient_not_even_a_second_one():
    def gradients():
        x = torch.linspace(0.5, 1, 4).requires_grad_()
        [first] = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        [second] = torch.autograd.grad(first.sum(), x)
        return torch.stack([first.detach(), second])

    with SavedTensors():
        followed = gradients()
    x = torch.linspace(0.5, 1, 4)
    assert torch.allclose(followed, torch.stack([3 * x**2, 6 * x]))
    assert torch.equal(followed, gradients())


def test_on_one_device_nothing_is_copied():
    with Operations() as operations:
        x = torch.ones(3)
        x = x.to("cpu").to(torch.float64)
        x.copy_(torch.zeros(3))
    assert operations.copied_bytes == 0
    assert operations.counts["aten.copy_"] == 1


def test_a_batch_of_256_digits_copied_to_a_gpu_is_802816_bytes():
    with FakeTensorMode():
        batch = torch.empty(256, 1, 28, 28)
        with Operations() as operations:
            moved = batch.to("cuda:0")
    assert operations.copied_bytes == 256 * 28 * 28 * FLOAT == 802_816
    assert moved.device.type == "cuda"


def test_a_batch_of_bytes_is_a_quarter_and_the_way_back_counts_too():
    with FakeTensorMode():
        batch = torch.empty(256, 1, 28, 28, dtype=torch.uint8)
        with Operations() as operations:
            batch.to("cuda:0").cpu()
    assert operations.copied_bytes == 2 * 200_704


def test_copying_into_a_tensor_on_another_device_counts():
    with FakeTensorMode():
        target = torch.empty(10, device="cuda:0")
        with Operations() as operations:
            target.copy_(torch.empty(10))
    assert operations.copied_bytes == 10 * FLOAT


def test_random_numbers_count_where_the_cpu_draws_them():
    with FakeTensorMode(), Operations() as operations:
        torch.randn(10).to("cuda:0")
        torch.empty(5).uniform_()
        torch.randn(100, device="cuda:0")
        torch.empty(100, device="cuda:0").normal_()
        torch.ones(100) + 1
    assert operations.drawn_on_cpu == 10 + 5


def test_operations_are_counted_by_name_inside_the_block_only():
    x = torch.ones(2)
    with Operations() as operations:
        for _ in range(3):
            x = x + 1
        x.mul(2)
    x = x + 1
    assert operations.counts["aten.add"] == 3
    assert operations.counts["aten.mul"] == 1


def test_versions_take_turns():
    turns = []
    versions = {name: lambda name=name: turns.append(name) for name in "ab"}
    found = seconds(versions, repeats=3)
    assert turns == list("ababab")
    assert {name: len(times) for name, times in found.items()} == {"a": 3, "b": 3}


def test_a_version_that_sleeps_takes_longer(monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 12.5])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    assert seconds({"a": list, "b": list}, repeats=1) == {"a": [1.0], "b": [2.5]}
    assert time.perf_counter is timing.time.perf_counter


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_is_what_the_kernel_says():
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM")]
    kernel = int(line.split()[1]) / 1024
    assert peak_megabytes() == pytest.approx(kernel, rel=0.05)


def test_the_peak_grows_with_memory_and_does_not_shrink():
    # Block by block, for the system may meanwhile take back pages that nobody uses.
    before, blocks = peak_megabytes(), []
    while peak_megabytes() < before + 16 and len(blocks) < 50:
        blocks.append(b"x" * 64 * 2**20)
    grown = peak_megabytes()
    del blocks
    assert grown >= before + 16
    assert peak_megabytes() >= grown


class Brightest(nn.Module):
    """Says the class of the brightest of four pixels; dropout would spoil it."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.drop = nn.Dropout(0.9)
        self.highest = 0.0

    def forward(self, images):
        self.highest = max(self.highest, images.max().item())
        return self.drop(images.flatten(1) * self.scale)


IMAGES = (torch.eye(4) * 255).to(torch.uint8).view(4, 1, 2, 2)


def test_accuracy_is_the_share_of_right_answers():
    labels = torch.tensor([0, 1, 2, 0])
    assert accuracy(Brightest(), IMAGES, labels) == 0.75
    assert accuracy(Brightest(), IMAGES, torch.tensor([1, 2, 3, 0])) == 0


def test_accuracy_agrees_with_torchmetrics():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 5))
    images = torch.randint(0, 256, (200, 1, 2, 2), dtype=torch.uint8)
    labels = torch.randint(0, 5, (200,))
    expected = torchmetrics_accuracy(
        net(images / 255), labels, task="multiclass", num_classes=5
    )
    assert accuracy(net, images, labels) == pytest.approx(expected.item())


def test_accuracy_scales_the_images_to_one():
    module = Brightest()
    accuracy(module, IMAGES, torch.zeros(4).long())
    assert module.highest == 1.0


def test_accuracy_leaves_every_mode_and_no_gradient():
    module = Brightest().train()
    module.drop.eval()
    accuracy(module, IMAGES, torch.zeros(4).long())
    assert module.training
    assert not module.drop.training
    assert module.scale.grad is None
    assert torch.is_grad_enabled()


def test_accuracy_leaves_every_mode_also_after_an_error():
    module = Brightest().train()
    module.scale = None
    module.other = nn.Parameter(torch.ones(1))
    with pytest.raises(TypeError):
        accuracy(module, IMAGES, torch.zeros(4).long())
    assert module.training
    assert module.drop.training


def test_accuracy_of_a_module_without_parameters():
    assert accuracy(nn.Flatten(), IMAGES, torch.arange(4)) == 1.0


def test_a_metric_curve_has_one_point_a_batch():
    model, curve = Line(), MetricCurve("train_loss")
    with torch.no_grad():
        model.layer.weight.zero_()
        model.layer.bias.zero_()
    fit(model, batches=6, callbacks=[curve])
    assert len(curve.values) == 6
    assert curve.values[0] == pytest.approx(0.6931, abs=1e-4)  # ln 2, two even classes
    assert curve.values == sorted(curve.values, reverse=True)


def test_a_metric_that_was_not_logged_is_named_beside_those_that_were():
    curve = MetricCurve("train_loss")
    with pytest.raises(ValueError, match="logged as 'train_loss' but got loss; log it"):
        fit(Line("loss"), callbacks=[curve])
