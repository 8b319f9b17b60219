"""Modules that are right or wrong about devices, and what the probe says of each."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from course_utils.checks.devices import EVERYWHERE, result_on, runs_on, values_of_step
from course_utils.checks.fake_gpus import is_here, simulated_gpus
from course_utils.checks.fake_tensors import simulated_tensors
from course_utils.checks.learner_code import LearnerError

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="pretends GPUs")
TABLE = torch.eye(3)


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = self.prepared(*batch)
        return F.cross_entropy(self(images), labels)

    def prepared(self, images, labels):
        return images, labels

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Dict(Net):
    def training_step(self, batch, batch_idx):
        return {"loss": super().training_step(batch, batch_idx), "note": "x"}


class NoIndex(Net):
    def training_step(self, batch):
        return F.cross_entropy(self(batch[0]), batch[1])


class Logs(Net):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("loss", loss, prog_bar=True)
        self.log_dict({"twice": 2 * loss})
        return loss


class Metric(Net):
    def __init__(self):
        super().__init__()
        self.acc = MulticlassAccuracy(num_classes=3)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.acc(logits, labels)
        self.log("acc", self.acc)
        return F.cross_entropy(logits, labels)


class MetricPerBatch(Metric):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("acc", self.acc(logits, labels))
        return F.cross_entropy(logits, labels)


class NormAndDropout(Net):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3)
        )


class Recurrent(Net):
    def __init__(self):
        super().__init__()
        self.net = nn.LSTM(6, 3)

    def forward(self, images):
        return self.net(images)[0]


class Scheduled(Net):
    def training_step(self, batch, batch_idx):
        self.log("lr", self.optimizers().param_groups[0]["lr"])
        return super().training_step(batch, batch_idx)

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


class Manual(Scheduled):
    automatic_optimization = False

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(F.cross_entropy(self(batch[0]), batch[1]))
        optimizer.step()
        self.lr_schedulers().step()


class AsksTheTrainer(Net):
    def training_step(self, batch, batch_idx):
        scale = 1 + self.trainer.current_epoch + self.global_step
        return scale * super().training_step(batch, batch_idx)


class Buffer(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))

    def prepared(self, images, labels):
        return images - self.mean, labels


class NewBuffer(Buffer):
    def __init__(self):
        Net.__init__(self)
        self.mean = nn.Buffer(torch.zeros(6))


class UnsavedBuffer(Buffer):
    def __init__(self):
        Net.__init__(self)
        self.register_buffer("mean", torch.zeros(6), persistent=False)


class FrozenParameter(Buffer):
    def __init__(self):
        Net.__init__(self)
        self.mean = nn.Parameter(torch.zeros(6), requires_grad=False)


class MovedOnFitStart(Buffer):
    def __init__(self):
        Net.__init__(self)

    def on_fit_start(self):
        self.mean = torch.zeros(6, device=self.device)


class MadeInSetup(Buffer):
    def __init__(self):
        Net.__init__(self)

    def setup(self, stage):
        self.register_buffer("mean", torch.zeros(6))


class MadeForItsOptimizers(Net):
    def prepared(self, images, labels):
        return images * self.scale.weight.exp().view(1, 1), labels

    def configure_optimizers(self):
        self.scale = nn.Module()
        self.scale.weight = nn.Parameter(torch.tensor(2.0))
        if self.device.type == "cuda":
            self.scale = self.scale.cuda()
        return super().configure_optimizers()


class NoiseHere(Net):
    def prepared(self, images, labels):
        return images + torch.randn(images.shape, device=self.device), labels


class NoiseLike(Net):
    def prepared(self, images, labels):
        return images + torch.randn_like(images), labels


class NoiseMoved(Net):
    def prepared(self, images, labels):
        return images + torch.randn(images.shape).to(self.device), labels


class NoiseTypeAs(Net):
    def prepared(self, images, labels):
        return images + torch.randn(images.shape).type_as(images), labels


class MovedAgain(Net):
    def prepared(self, images, labels):
        return images.to(self.device), labels.to(self.device)


class ScalarFromTheCpu(Net):
    def prepared(self, images, labels):
        return images * torch.tensor(0.5), labels


class Mixes(Net):
    def prepared(self, images, labels):
        amount = torch.distributions.Beta(0.4, 0.4).sample()
        return amount * images + (1 - amount) * images.flip(0), labels


class CurrentGpuOrCpu(Net):
    def prepared(self, images, labels):
        known = torch.accelerator.is_available()
        device = torch.accelerator.current_accelerator() if known else "cpu"
        return images.to(device), labels.to(device)


RIGHT = [
    Net,
    Dict,
    NoIndex,
    Logs,
    Metric,
    MetricPerBatch,
    NormAndDropout,
    Recurrent,
    Scheduled,
    Manual,
    AsksTheTrainer,
    Buffer,
    NewBuffer,
    UnsavedBuffer,
    FrozenParameter,
    MovedOnFitStart,
    MadeInSetup,
    MadeForItsOptimizers,
    NoiseHere,
    NoiseLike,
    NoiseMoved,
    NoiseTypeAs,
    MovedAgain,
    ScalarFromTheCpu,
    Mixes,
    CurrentGpuOrCpu,
]


class PlainAttribute(Buffer):
    def __init__(self):
        Net.__init__(self)
        self.mean = torch.zeros(6)


class InAList(Buffer):
    def __init__(self):
        Net.__init__(self)
        self.means = [torch.zeros(6)]

    def prepared(self, images, labels):
        return images - self.means[0], labels


class AskedTooEarly(Buffer):
    def __init__(self):
        Net.__init__(self)
        self.mean = torch.zeros(6, device=self.device)


class NoiseOnTheCpu(Net):
    def prepared(self, images, labels):
        return images + torch.randn(images.shape), labels


class WeightsOnTheCpu(Net):
    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch[0]), batch[1], weight=torch.ones(3))


class LooksUpOnTheCpu(Net):
    def prepared(self, images, labels):
        return images, TABLE[labels]


class BackToTheCpu(Net):
    def prepared(self, images, labels):
        return images.cpu(), labels


class StraightToNumPy(Net):
    def prepared(self, images, labels):
        return images, torch.from_numpy(labels.numpy())


class LayersInAList(Net):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(6, 3)]

    def forward(self, images):
        return self.layers[0](images)


CPU_ONLY = [
    PlainAttribute,
    InAList,
    AskedTooEarly,
    NoiseOnTheCpu,
    WeightsOnTheCpu,
    LooksUpOnTheCpu,
    BackToTheCpu,
    LayersInAList,
]


class Cuda(Net):
    def prepared(self, images, labels):
        return images.cuda(), labels.cuda()


class LayerOnCuda(Net):
    def prepared(self, images, labels):
        layer = nn.Linear(6, 6).cuda()
        return layer(images.cuda()), labels.cuda()


class CudaByName(Net):
    def prepared(self, images, labels):
        return images.to("cuda"), labels.to(torch.device("cuda"))


class MadeOnCuda(Net):
    def prepared(self, images, labels):
        return images + torch.randn(images.shape, device="cuda"), labels


class FirstGpu(Net):
    def prepared(self, images, labels):
        return images.to("cuda:0"), labels.to("cuda:0")


class GpuZero(Net):
    def prepared(self, images, labels):
        return images.cuda(0), labels.cuda(0)


class ChoosesTheGpu(Net):
    def prepared(self, images, labels):
        torch.cuda.set_device(0)
        return images.cuda(), labels.cuda()


class FirstGpuIfAny(Net):
    def prepared(self, images, labels):
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
        return images.to(device), labels.to(device)


def batch():
    return torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])


def findings(module_class):
    return [runs_on(module_class(), batch(), device) for device in EVERYWHERE]


def verdicts(module_class):
    return [finding.ok for finding in findings(module_class)]


@needs_no_gpu
@pytest.mark.parametrize("module_class", RIGHT)
def test_an_agnostic_module_runs_everywhere(module_class):
    assert verdicts(module_class) == [True, True, True]


@needs_no_gpu
@pytest.mark.parametrize("module_class", CPU_ONLY)
def test_a_tensor_left_on_the_cpu_fails_on_gpus(module_class):
    assert verdicts(module_class) == [True, False, False]


@needs_no_gpu
def test_numpy_takes_no_tensor_from_a_gpu():
    assert verdicts(StraightToNumPy) == [True, False, False]


@needs_no_gpu
@pytest.mark.parametrize("module_class", [Cuda, LayerOnCuda, CudaByName, MadeOnCuda])
def test_cuda_without_a_number_is_the_gpu_that_the_trainer_chose(module_class):
    assert verdicts(module_class) == [False, True, True]


@needs_no_gpu
@pytest.mark.parametrize("module_class", [FirstGpu, GpuZero, ChoosesTheGpu])
def test_a_numbered_gpu_is_the_only_one_that_works(module_class):
    assert verdicts(module_class) == [False, True, False]


@needs_no_gpu
def test_a_gpu_if_any_fails_on_the_second_and_on_a_cpu_beside_gpus():
    assert verdicts(FirstGpuIfAny) == [True, True, False]
    with simulated_gpus(2):
        assert verdicts(FirstGpuIfAny) == [False, True, False]


@needs_no_gpu
def test_nothing_pretended_outlives_the_question():
    verdicts(FirstGpuIfAny)
    assert not torch.cuda.is_available()
    assert torch.cuda.device_count() == 0
    assert torch.distributions.Distribution._validate_args
    assert torch.ones(2).tolist() == [1.0, 1.0]


class StopsOnNan(Net):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss if loss.isfinite() else None


class ScoresWithNumPy(Net):
    def training_step(self, batch, batch_idx):
        self.seen = batch[1].cpu().numpy().sum()
        return super().training_step(batch, batch_idx)


class WaitsForTheGpu(Net):
    def training_step(self, batch, batch_idx):
        if batch[0].is_cuda:
            torch.cuda.synchronize()
        return super().training_step(batch, batch_idx)


@needs_no_gpu
@pytest.mark.parametrize(
    ("module_class", "words"),
    [
        (StopsOnNan, "needs values"),
        (ScoresWithNumPy, "fake tensors cannot do"),
        (WaitsForTheGpu, "driver of a GPU"),
    ],
)
def test_what_pretending_cannot_see_is_undecided_and_the_cpu_decides(
    module_class, words
):
    here, first, second = findings(module_class)
    assert (here.ok, first.ok, second.ok) == (True, None, None)
    assert words in first.seen
    assert "cuda:1" in second.seen


class Misspelt(Net):
    def training_step(self, batch, batch_idx):
        return self.nett(batch[0])


class WrongShape(Net):
    def prepared(self, images, labels):
        return images[:, :5], labels


class LosesTheBatch(Net):
    def on_after_batch_transfer(self, batch, dataloader_idx):
        pass


class BreaksInSetup(Net):
    def setup(self, stage):
        raise ValueError("no such folder")


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
@pytest.mark.parametrize(
    ("module_class", "words"),
    [
        (Misspelt, "training_step raised AttributeError"),
        (WrongShape, "training_step raised RuntimeError"),
        (LosesTheBatch, "return the batch"),
        (BreaksInSetup, "setup raised ValueError: no such folder"),
    ],
)
def test_other_errors_are_sentences_for_their_author(module_class, words, device):
    with pytest.raises(LearnerError, match=words):
        runs_on(module_class(), batch(), device)


class ForgetsTheLoss(Net):
    def training_step(self, batch, batch_idx):
        super().training_step(batch, batch_idx)


class LossOnTheCpu(Net):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx).cpu()


def test_a_step_without_a_loss_is_told():
    finding = runs_on(ForgetsTheLoss(), batch(), "cpu")
    assert finding.ok is False
    assert finding.seen == "The step returned NoneType instead of a loss."


@needs_no_gpu
def test_a_loss_on_another_device_is_told():
    finding = runs_on(LossOnTheCpu(), batch(), "cuda:1")
    assert finding.ok is False
    assert finding.seen == "On cuda:1 the loss is computed on cpu."


@needs_no_gpu
def test_a_fault_names_the_device_in_torchs_words():
    finding = runs_on(FirstGpu(), batch(), "cuda:1")
    assert "It fails on cuda:1" in finding.seen
    assert "at least two devices, cuda:0 and cuda:1" in finding.seen
    assert finding.remedy == "Use the device that the module is on."


@needs_no_gpu
def test_a_result_comes_with_its_pretended_device():
    finding, result = result_on("cuda:1", lambda: torch.ones(2).to("cuda"), "it")
    assert finding is None
    assert str(result.device) == "cuda:1"


@needs_no_gpu
def test_only_the_cpu_is_here():
    assert is_here("cpu")
    assert not is_here("cuda:0")
    with simulated_gpus(2):
        assert not is_here("cuda:0")


@needs_no_gpu
def test_libraries_keep_seeing_the_real_machine():
    with simulated_gpus(2):
        assert torch.cuda.is_available()
        trainer = L.Trainer(logger=False, enable_checkpointing=False)
    assert type(trainer.accelerator).__name__ != "CUDAAccelerator"


def test_a_pretended_tensor_has_no_values_for_numpy():
    with simulated_tensors("cpu"), pytest.raises(RuntimeError, match="numpy"):
        torch.ones(2).numpy()


class ReadsValues(Net):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if loss.isfinite() and float(loss) < 1e9 and f"{loss:.2f}":
            return loss
        return None


class MovesBack(Net):
    def training_step(self, batch, batch_idx):
        self.cpu()
        return super().training_step([each.cpu() for each in batch], batch_idx)


def test_a_step_that_reads_values_is_followed_with_those_of_the_cpu():
    assert runs_on(ReadsValues(), batch(), "cuda:1").ok is None
    values = values_of_step(ReadsValues(), batch())
    assert runs_on(ReadsValues(), batch(), "cuda:1", values=values).ok


class Gated(Net):
    def __init__(self):
        super().__init__()
        self.rows, self.cell = nn.GRU(6, 8), nn.GRUCell(8, 3)

    def forward(self, images):
        _, state = self.rows(images[None])
        return self.cell(state[0])


class Penalized(Net):
    """Asks autograd for a gradient, and steps backward by itself."""

    def training_step(self, batch, batch_idx):
        images, labels = batch
        images = images.clone().requires_grad_()
        loss = super().training_step((images, labels), batch_idx)
        loss.backward(retain_graph=True)
        (slope,) = torch.autograd.grad(loss, images, create_graph=True)
        return loss + slope.square().sum()


@pytest.mark.parametrize("kind", [Gated, Penalized])
def test_what_torch_does_with_its_driver_alone_is_followed(kind):
    assert runs_on(kind(), batch(), "cpu").ok
    assert runs_on(kind(), batch(), "cuda:1").ok


def test_a_gru_refuses_an_input_elsewhere():
    with pytest.raises(RuntimeError, match="same device"), simulated_tensors("cuda:1"):
        nn.GRU(6, 8).to("cuda:1")(torch.zeros(5, 3, 6))


def test_a_module_that_moves_itself_is_followed():
    found = runs_on(MovesBack(), batch(), "cuda:1")
    assert (found.ok, found.seen) == (False, "On cuda:1 the loss is computed on cpu.")
