"""Modules as a reader might have written them, for the questions that run."""

import importlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split


class Rows(pl.LightningDataModule):
    def __init__(self, seed=0):
        super().__init__()
        self.seed = seed

    def setup(self, stage=None):
        generator = torch.Generator().manual_seed(0)
        rows = torch.randn(96, 8, generator=generator)
        if self.seed is None:
            generator = torch.default_generator
        whole = TensorDataset(rows, (rows.sum(1) > 0).long())
        self.train, self.val = random_split(whole, [64, 32], generator)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=16)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=16)


def unseeded_rows():
    return Rows(seed=None)


class TwoAtOnce(Rows):
    """Two loaders side by side, whose batches a hook makes one."""

    def train_dataloader(self):
        return {"one": super().train_dataloader(), "two": super().train_dataloader()}

    def val_dataloader(self):
        return [super().val_dataloader(), super().val_dataloader()]

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return batch["one"] if isinstance(batch, dict) else batch


class Hidden:
    """A batch whose tensors are nowhere to be seen."""

    __slots__ = ("rows",)

    def __init__(self, rows):
        self.rows = rows


def hidden_rows():
    loader = wrapped_rows()
    collate = loader.collate_fn
    loader.collate_fn = lambda pairs: Hidden(collate(pairs).rows)
    return loader


class KeepsCount(DataLoader):
    """Knows something that other loaders do not."""

    def mean(self):
        return torch.stack([row for row, _ in self.dataset]).mean(0)


class Counted(Rows):
    def train_dataloader(self):
        return KeepsCount(self.train, batch_size=16)


class InPlace(Rows):
    """Serves views of its tensors, without a copy."""

    def train_dataloader(self):
        rows, labels = (torch.stack(each) for each in zip(*self.train, strict=True))
        pairs = list(zip(rows.split(16), labels.split(16), strict=True))
        return DataLoader(pairs, batch_size=None)


class InAnObject:
    def __init__(self, rows):
        self.rows = rows


def wrapped_rows():
    data = Rows()
    data.setup()
    return DataLoader(
        data.train,
        batch_size=16,
        collate_fn=lambda pairs: InAnObject(torch.stack([row for row, _ in pairs])),
    )


@dataclass
class Pairs:
    rows: torch.Tensor
    labels: torch.Tensor


def rows_in_a_dataclass():
    data = Rows()
    data.setup()
    return DataLoader(
        data.train,
        batch_size=16,
        collate_fn=lambda pairs: Pairs(*torch.utils.data.default_collate(pairs)),
    )


class Packed(Rows):
    """Serves sequences, whose lengths stay on the CPU."""

    def train_dataloader(self):
        def packed(pairs):
            rows, labels = torch.utils.data.default_collate(pairs)
            lengths = torch.full((len(rows),), 2)
            pack = nn.utils.rnn.pack_padded_sequence
            return pack(rows.unflatten(1, (2, 4)), lengths, batch_first=True), labels

        return DataLoader(self.train, batch_size=16, collate_fn=packed)


class MovesItsRows(Rows):
    """Leaves its labels on the CPU."""

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        return [batch[0].to(device), batch[1]]


class Clean(pl.LightningModule):
    def __init__(self, hidden=16, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(8, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def loss(self, batch):
        rows, labels = batch
        return F.cross_entropy(self.net(rows), labels)

    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class WantsOtherLabels(Clean):
    def training_step(self, batch, batch_idx):
        raise ValueError("labels of another kind")


class Demanding(Clean):
    """Asks its Trainer for all that a Trainer has."""

    def prepare_data(self):
        Path("downloaded.txt").write_text("x")

    def on_fit_start(self):
        assert len(self.trainer.datamodule.train) == 64

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.logger.experiment.add_scalar("loss", loss, batch_idx)
        Path(self.trainer.default_root_dir, "loss.txt").write_text("x")
        Path(self.trainer.log_dir, "loss.txt").write_text("x")
        return loss

    def validation_step(self, batch, batch_idx, dataloader_idx):
        if dataloader_idx == 1:
            self.log("val_loss", self.loss(batch), add_dataloader_idx=False)

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        plan = {"scheduler": plateau, "monitor": "val_loss"}
        return {"optimizer": optimizer, "lr_scheduler": plan}


class KnowsItsTensors(Clean):
    def training_step(self, batch, batch_idx):
        if type(batch[0]) is not torch.Tensor:
            raise ValueError("too few samples")
        return super().training_step(batch, batch_idx)


class Single:
    def __deepcopy__(self, memo):
        raise TypeError("there is one of it")


class CannotBeCopied(Clean):
    def __init__(self):
        super().__init__()
        self.single = Single()


class StepsItself(Clean):
    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        loss = self.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach().requires_grad_()


class NamesItsPlace(Clean):
    def training_step(self, batch, batch_idx):
        rows, labels = batch
        return self.loss((rows + torch.zeros(8), labels))


class KeepsAMean(Clean):
    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(8)

    def training_step(self, batch, batch_idx):
        rows, labels = batch
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * rows.mean(0)
        return self.loss((rows - self.mean, labels))


class OtherSizes(pl.LightningModule):
    def __init__(self, hidden=4):
        super().__init__()
        self.net = nn.Linear(8, hidden)

    def training_step(self, batch, batch_idx):
        return self.net(batch[0]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def other_sizes():
    return OtherSizes(hidden=6)


class NeedsItsSize(OtherSizes):
    def __init__(self, hidden: int, depth):
        super().__init__(hidden)
        self.depth = depth


def needs_its_size():
    return NeedsItsSize(hidden=6, depth=1)


class SavesItsSizeElsewhere(NeedsItsSize):
    def save(self, folder):
        (folder / "size").write_text(str(self.net.out_features))


def saves_its_size_elsewhere():
    return SavesItsSizeElsewhere(6, 1)


class IsToldItsSize(NeedsItsSize):
    @classmethod
    def load_from_checkpoint(cls, checkpoint_path, hidden, depth, **options):
        return super().load_from_checkpoint(
            checkpoint_path, hidden=hidden, depth=depth, **options
        )


def is_told_its_size():
    return IsToldItsSize(6, 1)


class NeedsALayer(OtherSizes):
    def __init__(self, hidden: int, layer):
        super().__init__(hidden)
        self.layer = layer


def needs_a_layer():
    return NeedsALayer(6, nn.ReLU())


class ChecksItsSize(OtherSizes):
    def __init__(self, hidden=None):
        if hidden is None:
            raise ValueError("hidden: field required")
        super().__init__(hidden)


def checks_its_size():
    return ChecksItsSize(hidden=6)


class LeavesItsSizeOut(Clean):
    def __init__(self, hidden=4, lr=0.1):
        super().__init__(hidden, lr)
        del self.hparams["hidden"]


def leaves_its_size_out():
    return LeavesItsSizeOut(hidden=6)


SIZE = torch.tensor(6)


class ReadsItsSize(Clean):
    """Is as wide as a file says that another run has changed."""

    def __init__(self, lr=0.1):
        super().__init__(int(SIZE), lr)
        del self.hparams["hidden"]

    def on_save_checkpoint(self, checkpoint):
        SIZE.fill_(5)


class KeepsAPath(Clean):
    def __init__(self, folder=Path("runs")):
        super().__init__()
        self.save_hyperparameters()


class SavesAPath(Clean):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["folder"] = Path("runs")


class SavesItsMeanInAHook(KeepsAMean):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["mean"] = self.mean

    def on_load_checkpoint(self, checkpoint):
        self.mean = checkpoint["mean"]


class PlansWithAPath(Clean):
    """Its schedule keeps what does not load."""

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        schedule.folder = Path("runs")
        return [optimizer], [schedule]


class SavesTwoPaths(SavesAPath):
    def on_save_checkpoint(self, checkpoint):
        super().on_save_checkpoint(checkpoint)
        checkpoint["more"] = [Path(name) for name in "abcd"]


class NamesTheKindOfItsSettings(Clean):
    """Has what Lightning adds to a checkpoint if the settings are OmegaConf's."""

    def on_save_checkpoint(self, checkpoint):
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_TYPE] = Path


class MakesTensorsLikeItsLoss(Clean):
    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        return loss * loss.new_tensor([1.0]).sum() + 0 * loss.data.new(1).zero_().sum()


class TrainsAnotherFirst(Clean):
    """Makes two updates of another network while it is built."""

    def __init__(self):
        super().__init__()
        other = nn.Linear(8, 1)
        optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
        for _ in range(2):
            other(torch.ones(1, 8)).sum().backward()
            optimizer.step()


class SkipsItsFirstBatch(Clean):
    def __init__(self):
        super().__init__()
        data = Rows()
        data.setup()
        self.first = data.train[0][0][0].item()

    def training_step(self, batch, batch_idx):
        return None if batch[0][0, 0].item() == self.first else self.loss(batch)


class KnowsWhatItDoes(Clean):
    def training_step(self, batch, batch_idx):
        return self.loss(batch) if self.trainer.training else None


SHARED = nn.Linear(8, 8)


class SharesItsDefault(Clean):
    def __init__(self, scale=SHARED):
        super().__init__()
        self.net = nn.Sequential(scale, *self.net)


class HasAnEmptyWeight(Clean):
    """Has a place for parameters of an equation, and none in it."""

    def __init__(self):
        super().__init__()
        self.coefficients = nn.Parameter(torch.empty(1, 0))

    def configure_optimizers(self):
        return torch.optim.Adam(self.net.parameters(), lr=0.1)


class AveragesItsWeights(Clean):
    """Keeps the mean of its weights, as target networks are kept."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16))

    def on_train_batch_end(self, outputs, batch, batch_idx):
        with torch.no_grad():
            for mean, weight in zip(
                self.mean[0].parameters(), self.net[0].parameters(), strict=True
            ):
                mean.lerp_(weight, 0.1)

    def configure_optimizers(self):
        return torch.optim.Adam(self.net.parameters(), lr=0.1)


class TakesTurns(Clean):
    """Trains its second layer from the sixth batch on."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()[batch_idx > 5]
        self.toggle_optimizer(optimizer)
        self.manual_backward(self.loss(batch))
        optimizer.step()
        optimizer.zero_grad()
        self.untoggle_optimizer(optimizer)

    def configure_optimizers(self):
        return [torch.optim.SGD(self.net[i].parameters(), lr=0.1) for i in (0, 2)]


class OneCycle(Clean):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.1, total_steps=steps
        )
        return [optimizer], [schedule]


class OneCycleByEpoch(Clean):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        steps = self.trainer.max_epochs
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.1, total_steps=max(steps, 2)
        )
        return [optimizer], [schedule]


class DrawsByItself(Clean):
    def training_step(self, batch, batch_idx):
        rows, labels = batch
        own = torch.Generator()
        own.seed()
        return self.loss((rows + torch.randn(rows.shape, generator=own), labels))


class NotANumber(Clean):
    def training_step(self, batch, batch_idx):
        rows, labels = batch
        roots = torch.where(rows > 0, (self.net[0].weight[0] * 0).sqrt(), rows)
        return self.loss((rows + roots, labels))


class Collects(Clean):
    def __init__(self):
        super().__init__()
        self.kept = []

    def training_step(self, batch, batch_idx):
        self.kept.append({"loss": self.loss(batch)})
        return self.loss(batch)


class HasAnIdleLayer(Clean):
    def __init__(self):
        super().__init__()
        self.idle = nn.Linear(2, 2)


class HasAMaskedLayer(Clean):
    def __init__(self):
        super().__init__()
        self.masked = nn.Linear(8, 2)

    def training_step(self, batch, batch_idx):
        rows, labels = batch
        logits = self.net(rows) + 0.0 * self.masked(rows)
        return F.cross_entropy(logits, labels)


class AsksItsLoader(Clean):
    def on_fit_start(self):
        self.mean = self.trainer.datamodule.train_dataloader().mean()


class TurnsItsBatch(Clean):
    """Reads its rows along the other axis."""

    def __init__(self):
        super().__init__()
        self.turned = nn.Linear(16, 2)

    def loss(self, batch):
        rows, labels = batch
        return self.turned(rows.transpose(0, 1)).mean() + super().loss(batch)


class HasALazyLayer(Clean):
    """Has one that nothing calls: it has no size yet."""

    def __init__(self):
        super().__init__()
        self.later = nn.LazyLinear(2)

    def configure_optimizers(self):
        return torch.optim.Adam(self.net.parameters(), lr=0.1)


class ComparesWithANumber(Clean):
    def loss(self, batch):
        rows, _ = batch
        return F.mse_loss(self.net(rows), torch.tensor(1.0, device=rows.device))


class ChoosesWhenBuilt(Clean):
    def __init__(self):
        super().__init__()
        self.there = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def training_step(self, batch, batch_idx):
        return self.loss([each.to(self.there) for each in batch])


class MakesNewTensors(Clean):
    def training_step(self, batch, batch_idx):
        count = torch.arange(8, out=batch[1].data.new())
        return self.loss(batch) + 0 * count.sum()


class HasNoOptimizer(Clean):
    """Takes its rows in, and trains nothing."""

    def training_step(self, batch, batch_idx):
        return None

    def configure_optimizers(self):
        return None


class ReadsSequences(Clean):
    def loss(self, batch):
        rows, labels = batch
        padded, _ = nn.utils.rnn.pad_packed_sequence(rows, batch_first=True)
        return F.cross_entropy(self.net(padded.flatten(1)), labels)


class BeginsWithZeros(Clean):
    """Its last layer is 0 until the first update, which warm-up puts off."""

    def __init__(self):
        super().__init__()
        nn.init.zeros_(self.net[2].weight)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


class Ranks(Clean):
    """Compares its outputs with each other: what is added to all cancels."""

    def __init__(self):
        super().__init__()
        self.net[2] = nn.Linear(16, 1)

    def loss(self, batch):
        scores = self.net(batch[0])
        return F.softplus(scores[::2] - scores[1::2]).mean()


class SkipsEveryBatch(Clean):
    """Takes its rows in at the start, as nearest neighbours do."""

    def on_train_batch_start(self, batch, batch_idx):
        return -1

    def training_step(self, batch, batch_idx):
        return 1


class LeavesALayerOut(Clean):
    def configure_optimizers(self):
        return torch.optim.Adam(self.net[0].parameters(), lr=0.1)


class Broadcasts(Clean):
    def training_step(self, batch, batch_idx):
        rows, labels = batch
        return F.mse_loss(self.net(rows)[:, :1], labels.float())


class ReturnsNothing(Clean):
    def training_step(self, batch, batch_idx):
        self.log("train_loss", self.loss(batch))


class ReadsAnObject(Clean):
    def training_step(self, batch, batch_idx):
        return self.net(batch.rows).square().mean()


class ChangesItsBatch(Clean):
    def training_step(self, batch, batch_idx):
        rows, labels = batch
        rows.add_(0.1)
        return self.loss((rows, labels))


class ReadsADataclass(Clean):
    def training_step(self, batch, batch_idx):
        return self.loss((batch.rows, batch.labels))


class ChangesADataclass(Clean):
    def training_step(self, batch, batch_idx):
        batch.rows.add_(0.1)
        return self.loss((batch.rows, batch.labels))


class TurnsBenchmarkOn(Clean):
    def __init__(self):
        super().__init__()
        torch.backends.cudnn.benchmark = True


class ReadsSlowly(Rows):
    def train_dataloader(self):
        def slow(pairs):
            time.sleep(2)  # longer than a step takes on a busy machine
            return torch.utils.data.default_collate(pairs)

        return DataLoader(self.train, batch_size=16, collate_fn=slow)


class Needs(Clean):
    def __init__(self, hidden, lr):
        super().__init__(hidden, lr)


class MissingSetting(ValueError):
    """Says what is missing as an error of pydantic does."""

    def errors(self):
        return [{"type": "missing", "loc": ("net", "hidden")}]


class ChecksItsSettings(Clean):
    def __init__(self, **settings):
        if "hidden" not in settings:
            raise MissingSetting("1 validation error for Settings")
        super().__init__()
        self.hparams.clear()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.1)


def checks_its_settings():
    return ChecksItsSettings(hidden=16)


class LoadsInItsOwnWay(Clean):
    @classmethod
    def load_from_checkpoint(cls, checkpoint_path, map_location=None, **kwargs):
        return super().load_from_checkpoint(
            checkpoint_path, map_location, weights_only=False, **kwargs
        )


class AsksItsTrainerForData(Clean):
    def train_dataloader(self):
        return DataLoader(torch.zeros(self.trainer.max_steps, 8))


class NeedsToTrain(Clean):
    """Takes no batch in evaluation mode."""

    def training_step(self, batch, batch_idx):
        if not self.training:
            raise RuntimeError("not trained")
        return self.loss(batch)


class Endless(Clean):
    def __init__(self):
        super().__init__()
        while True:
            time.sleep(0.1)


class Greedy(Clean):
    def __init__(self):
        super().__init__()
        self.held = [bytearray(2**28) for _ in range(100) if not time.sleep(0.05)]


class Writes(Clean):
    def training_step(self, batch, batch_idx):
        Path("written.txt").write_text("x")
        return self.loss(batch)


class Saves(Clean):
    def training_step(self, batch, batch_idx):
        torch.save({}, "saved.pt")
        return self.loss(batch)


class WritesAtOnce(Clean):
    def __init__(self):
        super().__init__()
        Path("written.txt").write_text("x")


class Removes(Clean):
    def __init__(self):
        super().__init__()
        Path("strangers.py").unlink()


class WritesInCpp(Clean):
    def __init__(self):
        super().__init__()
        torch.jit.script(nn.Linear(2, 2)).save("scripted.pt")


class StartsAProgram(Clean):
    def __init__(self):
        super().__init__()
        subprocess.run([sys.executable, "-c", "open('written.txt', 'w')"])


class Exits(Clean):
    def training_step(self, batch, batch_idx):
        sys.exit(0)


class ExitsAtOnce(Clean):
    def training_step(self, batch, batch_idx):
        os._exit(0)


class PrintsMegabytes(Clean):
    def training_step(self, batch, batch_idx):
        print("x" * 10_000_000)
        os.write(1, b"y" * 10_000_000)
        return self.loss(batch)


class MissesAPackage(Clean):
    def __init__(self):
        super().__init__()
        importlib.import_module("a_package_that_is_not_here")


class Loops(Clean):
    def training_step(self, batch, batch_idx):
        while True:
            pass


class LeavesAThread(Clean):
    def __init__(self):
        super().__init__()
        threading.Thread(target=time.sleep, args=(3600,)).start()


class GoesElsewhere(Clean):
    def __init__(self):
        super().__init__()
        os.chdir("/")
