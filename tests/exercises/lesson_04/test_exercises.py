"""Answers to the exercises of lesson 04, right and wrong, and what each is told."""

import re
from functools import partial

import learner
import pytest
import torch
from learner import assert_correct, assert_incorrect, each_answer
from torch.nn import functional as F

from course_utils.checks.sample_data import digits
from course_utils.exercises.lesson_04.exercises import (
    SCRIPTS,
    Files,
    scripted_validations,
)

classifier = partial(learner.classifier, base="Classifier")
STEP = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    loss = F.cross_entropy(self(images), labels)
"""
END = "\ndef on_train_epoch_end(self):\n"
BOTH = "    self.log('train_loss', loss, on_step=True, on_epoch=True)\n    return loss"
BY_STEP = "    self.log('train_loss_step', loss)\n"
LISTED = BY_STEP + "    self.losses.append(loss.detach())\n    return loss"
MEAN = "    self.log('train_loss_epoch', torch.stack(self.losses).mean())\n"
LIST = "self.losses = []"
BY_HAND = "self.automatic_optimization = False"

RIGHT_4_1 = {
    "a dict, two calls": (
        STEP
        + BY_STEP
        + "    self.log('train_loss_epoch', loss, on_step=False, on_epoch=True)\n"
        + "    return {'loss': loss, 'more': 1}",
        "",
    ),
    "torchmetrics": (
        STEP
        + BY_STEP
        + "    self.mean.update(loss.detach(), weight=len(labels))\n"
        + "    return loss"
        + END
        + "    self.log('train_loss_epoch', self.mean.compute())\n"
        + "    self.mean.reset()",
        "self.mean = torchmetrics.MeanMetric()",
    ),
    "log_dict": (
        STEP
        + "    self.log_dict({'train_loss': loss}, on_step=True, on_epoch=True)\n"
        + "    return loss",
        "",
    ),
    "weighted list": (
        STEP
        + BY_STEP
        + "    self.losses.append(loss.detach().expand(len(labels)))\n    return loss"
        + END
        + "    self.log('train_loss_epoch', torch.cat(self.losses).mean())\n"
        + "    self.losses.clear()",
        LIST,
    ),
    "by hand, returns nothing": (
        STEP
        + "    self.optimizers().zero_grad(); self.manual_backward(loss)\n"
        + "    self.optimizers().step()\n"
        + "    self.log('train_loss', loss, on_step=True, on_epoch=True)",
        BY_HAND,
    ),
    "by hand, in two halves": (
        STEP.replace("    loss = F.cross_entropy(self(images), labels)\n", "")
        + "    optimizer, total = self.optimizers(), 0.0\n"
        + "    optimizer.zero_grad()\n"
        + "    for x, y in zip(images.chunk(2), labels.chunk(2)):\n"
        + "        part = F.cross_entropy(self(x), y, reduction='sum') / len(labels)\n"
        + "        self.manual_backward(part)\n"
        + "        total += part.detach()\n"
        + "    optimizer.step()\n"
        + "    self.log('train_loss', total, on_step=True, on_epoch=True)",
        BY_HAND,
    ),
    "a callback logs what the step returns": (
        STEP
        + "    return loss\n"
        + """
def configure_callbacks(self):
    class Logs(L.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            module.log("train_loss_step", outputs["loss"])
            module.log("train_loss_epoch", outputs["loss"], on_step=False,
                       on_epoch=True, batch_size=len(batch[1]))
    return [Logs()]
""",
        "",
    ),
    "the logger itself": (
        STEP
        + "    self.logger.log_metrics({'train_loss_step': loss.item()}, batch_idx)\n"
        + "    self.log('train_loss_epoch', loss, on_step=False, on_epoch=True)\n"
        + "    return loss",
        "",
    ),
}
BETWEEN_4_1 = """
class Between(Classifier):
    def report(self, loss):
        self.log("train_loss", loss, on_epoch=True)

    def training_step(self, batch, batch_idx):
        raise NotImplementedError

class Answer(Between):
    def training_step(self, batch):
        loss = nn.CrossEntropyLoss(label_smoothing=0.1)(self(batch[0]), batch[1])
        self.report(loss)
        return loss
"""
OTHER_4_1 = """
class Own(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    def forward(self, x):
        return self.model(x)
    def training_step(self, b):
        out = F.cross_entropy(self(b[0]), b[1])
        self.log("train_loss", out, prog_bar=True, on_epoch=True, on_step=True)
        return out
    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)
"""
WRONG_4_1 = {
    "epoch alone": (
        STEP + BOTH.replace("on_step=True", "on_step=False"),
        "",
        "The logger got no 'train_loss_step'; it got train_loss, epoch.",
    ),
    "step under both names": (
        STEP + BY_STEP + "    self.log('train_loss_epoch', loss)\n    return loss",
        "",
        "This is the loss of the last batch.",
    ),
    "list cleared, unweighted": (
        STEP + LISTED + END + MEAN + "    self.losses.clear()",
        LIST,
        "Each batch has the same vote, even the small one.",
    ),
    "batch size of one": (
        STEP + BOTH.replace("on_step=True", "on_step=True, batch_size=1"),
        "",
        "Each batch has the same vote, even the small one.",
    ),
    "list never cleared": (
        STEP
        + LISTED.replace("loss.detach()", "loss.detach().expand(len(labels))")
        + END
        + MEAN.replace("stack", "cat"),
        LIST,
        "Earlier epochs are still in it; start each epoch empty.",
    ),
    "every second step": (
        STEP
        + "    self.log('train_loss_epoch', loss, on_step=False, on_epoch=True)\n"
        + "    if batch_idx % 2 == 0:\n        self.log('train_loss_step', loss)\n"
        + "    return loss",
        "",
        "not the loss of that batch. Log the loss of the batch as it is.",
    ),
    "another value": (
        STEP + BOTH.replace("loss, on", "2 * loss, on"),
        "",
        "got 'train_loss_step' in each step, but not the loss of that batch.",
    ),
    "climbs": (
        STEP + BOTH.replace("return loss", "return -loss"),
        "",
        "Training makes the cross-entropy of the training images larger. Training",
    ),
    "by hand, no step": (
        STEP
        + "    self.manual_backward(loss)\n"
        + "    self.log('train_loss', loss, on_step=True, on_epoch=True)",
        BY_HAND,
        "Training leaves the cross-entropy of the training images as it is.",
    ),
    "all images of the check's first run": (
        STEP
        + BY_STEP
        + "    self.total += loss.item() * len(labels)\n    return loss"
        + "\ndef on_train_epoch_start(self):\n    self.total = 0"
        + END
        + "    self.log('train_loss_epoch', self.total / 83)",
        "",
        "After epoch 1 train_loss_epoch is",
    ),
    "every batch counts as a full one": (
        STEP + BOTH.replace("on_step=True", "on_step=True, batch_size=40"),
        "",
        "Each batch has the same vote, even the small one.",
    ),
    "the largest": (
        STEP + BOTH.replace("on_step=True", "on_step=True, reduce_fx='max'"),
        "",
        "Average over the samples of the epoch.",
    ),
    "a sum": (
        STEP
        + BY_STEP
        + "    self.log('train_loss_epoch', loss, on_step=False, on_epoch=True,\n"
        + "             reduce_fx='sum')\n    return loss",
        "",
        "This is a sum over the batches, not a mean.",
    ),
    "the epoch before": (
        STEP
        + BY_STEP
        + "    self.log('train_loss_epoch', self.last)\n"
        + "    self.mean.update(loss.detach(), len(labels))\n    return loss"
        + END
        + "    self.last = self.mean.compute(); self.mean.reset()",
        "self.mean, self.last = torchmetrics.MeanMetric(), 0.0",
        "After epoch 1 train_loss_epoch is 0.000",
    ),
    "the loss after the update": (
        STEP
        + "    self.log('train_loss_epoch', loss, on_step=False, on_epoch=True)\n"
        + "    return loss\n"
        + "\ndef on_train_batch_end(self, outputs, batch, batch_idx):\n"
        + "    self.log('train_loss_step', F.cross_entropy(self(batch[0]), batch[1]))",
        "",
        "got 'train_loss_step' in each step, but not the loss of that batch.",
    ),
    "a name in the name": (
        STEP
        + "    self.log('train_loss_step', loss, on_step=True, on_epoch=True)\n"
        + "    return loss",
        "",
        "The logger got no 'train_loss_step'; it got train_loss_step_step",
    ),
    "only the logger has the mean": (
        STEP
        + BY_STEP
        + "    self.mean.update(loss.detach(), len(labels))\n    return loss"
        + END
        + "    self.logger.log_metrics({'train_loss_epoch': self.mean.compute()}, 0)\n"
        + "    self.mean.reset()",
        "self.mean = torchmetrics.MeanMetric()",
        "After epoch 1 callbacks find no 'train_loss_epoch', only train_loss_step.",
    ),
    "raises": (STEP + "    self.log('train_loss', None)", "", "Training raised"),
}


STEPS_4_2 = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    loss = F.cross_entropy(self(images), labels)
    self.log("train/loss", loss)
    return loss

def validation_step(self, batch, batch_idx):
    images, labels = batch
    logits = self(images)
    self.log("val/loss", F.cross_entropy(logits, labels))
    self.log("val/acc", (logits.argmax(1) == labels).float().mean())
"""
KEEP = """
def configure_callbacks(self):
    return [ModelCheckpoint({})]
"""
TWO = """
def configure_callbacks(self):
    return [ModelCheckpoint({}), ModelCheckpoint({})]
"""
FLAT = "filename='epoch={epoch}-acc={val/acc:.2f}', auto_insert_metric_name=False"
WATCH = "monitor='val/acc', mode='max', "

RIGHT_4_2 = {
    "keywords elsewhere": STEPS_4_2 + KEEP.format(WATCH + FLAT + ", save_last=True"),
    "percent": STEPS_4_2
    + KEEP.format(
        WATCH + "filename='best_{epoch:03d}_{val/acc:.4f}', "
        "auto_insert_metric_name=False"
    ),
    "two callbacks and a folder": STEPS_4_2
    + """
def configure_callbacks(self):
    stop = EarlyStopping("val/loss", patience=9)
    return [stop, ModelCheckpoint("kept", monitor="val/acc", mode="max", save_top_k=2,
        filename="{epoch}-{val/acc:.2f}", auto_insert_metric_name=False)]
""",
    "a metric object": STEPS_4_2.replace(
        'self.log("val/acc", (logits.argmax(1) == labels).float().mean())',
        "self.acc(logits, labels); self.log('val/acc', self.acc)",
    )
    + KEEP.format(WATCH + FLAT)
    + "def setup(self, stage):\n"
    + "    self.acc = torchmetrics.Accuracy(task='multiclass', num_classes=10)",
    "an unmonitored callback first": STEPS_4_2 + TWO.format("", WATCH + FLAT),
    "one for the loss after it": STEPS_4_2
    + TWO.format(WATCH + FLAT, "monitor='val/loss', " + FLAT),
    "by hand, two optimizers, nothing returned": STEPS_4_2.replace(
        "    return loss\n",
        "    first, second = self.optimizers()\n"
        "    self.manual_backward(loss); first.step(); second.step()\n",
    )
    + """
def configure_optimizers(self):
    self.automatic_optimization = False
    halves = list(self.parameters())[:2], list(self.parameters())[2:]
    return [torch.optim.AdamW(half, weight_decay=0.1) for half in halves]
"""
    + KEEP.format(WATCH + FLAT),
    "a subclass, in percent, saved at the end of the training epoch": STEPS_4_2
    + """
class Best(ModelCheckpoint):
    def __init__(self):
        super().__init__(monitor="val/acc", mode="max", save_on_train_epoch_end=True,
            filename="{epoch} {val/acc:.1%}", auto_insert_metric_name=False)
def configure_callbacks(self):
    return self.Best()
""",
    "stops early": STEPS_4_2
    + """
def configure_callbacks(self):
    best = ModelCheckpoint(monitor="val/acc", mode="max", save_weights_only=True,
        filename="acc{val/acc:.3f}_{epoch}", auto_insert_metric_name=False)
    return [best, L.pytorch.callbacks.EarlyStopping("val/loss", patience=1)]
""",
    "a callback of its own": STEPS_4_2
    + """
def configure_callbacks(self):
    class Keeps(L.Callback):
        best, file = -1, None
        def on_validation_end(self, trainer, module):
            import os
            acc = trainer.callback_metrics["val/acc"]
            if acc > self.best:
                if self.file: os.remove(self.file)
                self.best = acc
                self.file = f"epoch={trainer.current_epoch}-acc={acc:.2f}.ckpt"
                trainer.save_checkpoint(self.file)
    return [Keeps()]
""",
    "an update every second batch, by hand": STEPS_4_2.replace(
        "    return loss\n",
        "    optimizer = self.optimizers()\n"
        "    self.manual_backward(loss / 2)\n"
        "    if batch_idx % 2:\n"
        "        optimizer.step(); optimizer.zero_grad()\n",
    )
    + """
def configure_optimizers(self):
    self.automatic_optimization = False
    return torch.optim.SGD(self.parameters(), lr=0.1)
"""
    + KEEP.format(WATCH + FLAT),
    "sums of its own": """
def training_step(self, batch, batch_idx):
    loss = F.cross_entropy(self(batch[0]), batch[1])
    self.log("train/loss", loss, on_step=True, on_epoch=True)
    return {"loss": loss}

def on_validation_epoch_start(self):
    self.seen = []

def validation_step(self, batch, batch_idx):
    self.seen.append((self(batch[0]), batch[1]))

def on_validation_epoch_end(self):
    logits, labels = map(torch.cat, zip(*self.seen))
    self.log("val/loss", F.cross_entropy(logits, labels))
    self.log("val/acc", (logits.argmax(1) == labels).float().mean())
"""
    + KEEP.format(WATCH + FLAT),
}
OBJECT = """
def setup(self, stage):
    self.acc = torchmetrics.classification.MulticlassAccuracy(10, average="{}")

def training_step(self, batch, batch_idx):
    logits = self(batch[0])
    loss = F.cross_entropy(logits, batch[1])
    self.log("train/loss", loss)
    {}
    return loss

def validation_step(self, batch, batch_idx):
    logits = self(batch[0])
    self.log("val/loss", F.cross_entropy(logits, batch[1]))
    {}
"""
UPDATE = "self.acc(logits, batch[1])"
LOG = UPDATE + "; self.log('{}/acc', self.acc)"
COMPUTE = "\ndef on_validation_epoch_end(self):\n    self.log('val/acc', {})\n"
KEPT_BY = "filename='{}', auto_insert_metric_name=False"
WRONG_4_2 = {
    "mode forgotten": (
        STEPS_4_2 + KEEP.format("monitor='val/acc', " + FLAT),
        "It kept epoch 3 of 0 to 5, where val/acc was lowest; val/acc was highest in",
    ),
    "slash in the name": (
        STEPS_4_2 + KEEP.format(WATCH + "filename='{epoch}-{val/acc:.2f}'"),
        "The file lies in the sub-folder 'epoch=2-val' of the checkpoint folder.",
    ),
    "a name that nobody logs": (
        STEPS_4_2 + KEEP.format(WATCH + "filename='{epoch}-{acc:.2f}'"),
        "the file is called 'epoch=2-acc=0.00', which does not show the accuracy. It",
    ),
    "watches the loss": (
        STEPS_4_2 + KEEP.format("monitor='val/loss', " + FLAT),
        "It kept epoch 1 of 0 to 5, where val/loss was lowest;",
    ),
    "watches nothing": (
        STEPS_4_2 + KEEP.format(FLAT),
        "It kept epoch 5 of 0 to 5, the last; val/acc was highest in epoch 2.",
    ),
    "one name left": (
        STEPS_4_2.replace("train/loss", "loss") + KEEP.format(WATCH + FLAT),
        "No metric named 'train/loss' was logged (found: loss, val/loss, val/acc).",
    ),
    "accuracy of training": (
        STEPS_4_2.replace(
            'self.log("val/acc", (logits.argmax(1) == labels).float().mean())',
            'self.log("val/acc", torch.tensor(0.5))',
        )
        + KEEP.format(WATCH + FLAT),
        "val/acc is 0.500; the exact value is 0.775. It should be the mean over",
    ),
    "no epoch in the name": (
        STEPS_4_2
        + KEEP.format(
            WATCH + "filename='{val/acc:.2f}', auto_insert_metric_name=False"
        ),
        "the file is called '0.90', which does not show epoch 2. It should",
    ),
    "saved before validation": (
        STEPS_4_2 + KEEP.format(WATCH + "every_n_train_steps=2, " + FLAT),
        "It kept epoch 3 of 0 to 5, in a file written before the validation of that",
    ),
    "one object for both stages": (
        OBJECT.format("micro", LOG.format("train"), LOG.format("val"))
        + KEEP.format(WATCH + FLAT),
        "After epoch 0 val/acc is 0.795; the exact value is 0.775. Training values are",
    ),
    "one object for both stages, never reset": (
        OBJECT.format("micro", UPDATE, UPDATE)
        + COMPUTE.format("self.acc.compute()")
        + KEEP.format(WATCH + FLAT),
        "After epoch 0 val/acc is 0.795; the exact value is 0.775. Training values are",
    ),
    "never reset": (
        OBJECT.format("micro", "", UPDATE)
        + COMPUTE.format("self.acc.compute()")
        + KEEP.format(WATCH + FLAT),
        "Values of earlier epochs are still in it; start each epoch empty.",
    ),
    "by class": (
        OBJECT.format("macro", "", LOG.format("val")) + KEEP.format(WATCH + FLAT),
        'the mean of the classes\' accuracies; average="micro" counts images.',
    ),
    "accuracy of the training batches": (
        OBJECT.format("micro", UPDATE, "")
        + COMPUTE.format("self.acc.compute(); self.acc.reset()").replace(
            "; self", ")\n    (self"
        )
        + KEEP.format(WATCH + FLAT),
        "This is the value of the training batches.",
    ),
    "the last batch": (
        OBJECT.format("micro", "", "self.last = " + UPDATE)
        + COMPUTE.format("self.last")
        + KEEP.format(WATCH + FLAT),
        "This is the value of the last batch.",
    ),
    "a vote for each batch": (
        STEPS_4_2.replace(".mean())", ".mean(), batch_size=1)")
        + KEEP.format(WATCH + FLAT),
        "Each batch has the same vote, whatever its size.",
    ),
    "the validation loss as that of training": (
        STEPS_4_2.replace('"train/loss"', '"other"')
        .replace('self.log("val/loss", ', 'self.log("train/loss", loss := ')
        .replace(
            'labels))\n    self.log("val/acc',
            'labels))\n    self.log("val/loss", loss)\n    self.log("val/acc',
        )
        + KEEP.format(WATCH + FLAT),
        "After epoch 1 train/loss is 0.378; the training batches' losses are 0.401",
    ),
    "the name of the check's first file": (
        STEPS_4_2 + KEEP.format(WATCH + KEPT_BY.format("epoch=2-acc=0.90")),
        "In epoch 3 val/acc was 0.917; the file is called 'epoch=2-acc=0.90', which",
    ),
    "a folder of its own for the best": (
        STEPS_4_2 + KEEP.format(WATCH + KEPT_BY.format("best/{epoch}-{val/acc:.2f}")),
        "The file lies in the sub-folder 'best' of the checkpoint folder.",
    ),
    "step for epoch": (
        STEPS_4_2 + KEEP.format(WATCH + KEPT_BY.format("{step}-{val/acc:.2f}")),
        "the file is called '6-0.90', which does not show epoch 2.",
    ),
    "keeps none": (
        STEPS_4_2 + KEEP.format(WATCH + FLAT + ", save_top_k=0"),
        "No checkpoint was kept.",
    ),
    "brings no callback": (
        STEPS_4_2 + "\ndef configure_callbacks(self):\n    return []",
        "No checkpoint was kept. Let configure_callbacks return a callback",
    ),
    "forgets to return the loss": (
        STEPS_4_2.replace("    return loss\n", "") + KEEP.format(WATCH + FLAT),
        "Training changes no weight. Every training batch has to teach the network.",
    ),
    "learns from the first batch only": (
        STEPS_4_2.replace("return loss", "return loss if batch_idx == 0 else None")
        + KEEP.format(WATCH + FLAT),
        "After the first batch of an epoch training changes no weight. Every training",
    ),
    "a misspelt monitor": (
        STEPS_4_2 + KEEP.format("monitor='val_acc', mode='max', " + FLAT),
        "Training raised MisconfigurationException: `ModelCheckpoint(monitor='val_acc'",
    ),
}


@pytest.mark.parametrize("size", SCRIPTS)
def test_a_script_of_4_2_has_another_special_epoch_by_each_measure(size):
    torch.manual_seed(0)
    images, _ = digits(size)
    logits = images.flatten(1) @ torch.randn(784, 10) / 4
    labels = scripted_validations(logits, SCRIPTS[size])
    losses = [float(F.cross_entropy(logits, each)) for each in labels]
    accs = [float((logits.argmax(1) == each).float().mean()) for each in labels]
    special = {v.index(e(v)) for v in (losses, accs) for e in (min, max)}
    assert len(special) == 4
    assert not special & {0, len(labels) - 1}


VAL = """
def validation_step(self, batch, batch_idx):
    images, labels = batch
    logits = self(images)
    losses = F.cross_entropy(logits, labels, reduction="none")
    errors = (logits.argmax(1) != labels).float()
    self.log("val_loss", losses.mean(), {0})
    self.log("val_worst", losses.max(), {1})
    self.log("val_errors", errors.sum(), {2})
"""
SYNC, MAX, SUM = "sync_dist=True", "reduce_fx='max'", "reduce_fx='sum'"
COLLECT = """
def on_validation_epoch_start(self):
    self.seen = torch.zeros(2), torch.zeros(1), torch.zeros(1)

def validation_step(self, batch, batch_idx):
    images, labels = batch
    logits = self(images)
    losses = F.cross_entropy(logits, labels, reduction="none")
    mean, worst, errors = self.seen
    mean += torch.stack([losses.sum(), torch.tensor(float(len(labels)))])
    worst.clamp_(min=losses.max())
    errors += (logits.argmax(1) != labels).sum()

def on_validation_epoch_end(self):
    mean, worst, errors = (self.all_gather(each) for each in self.seen)
    total, count = mean.reshape(-1, 2).sum(0)
    self.log("val_loss", total / count)
    self.log("val_worst", worst.max())
    self.log("val_errors", errors.sum())
"""
OBJECTS = """
def validation_step(self, batch, batch_idx):
    logits = self(batch[0])
    losses = F.cross_entropy(logits, batch[1], reduction="none")
    self.mean(losses); self.worst(losses)
    self.wrong(logits.argmax(1) != batch[1])
    self.log_dict({"val_loss": self.mean, "val_worst": self.worst,
                   "val_errors": self.wrong})
"""
MAKE = (
    "self.mean, self.worst = torchmetrics.MeanMetric(), torchmetrics.MaxMetric()\n"
    "self.wrong = torchmetrics.SumMetric()"
)

RIGHT_4_3 = {
    "torch functions": (
        VAL.format(SYNC, f"{SYNC}, reduce_fx=torch.max", f"{SYNC}, reduce_fx=sum"),
        "",
    ),
    "gathered": (COLLECT, ""),
    "objects": (OBJECTS, MAKE),
    "a mean of losses times a share": (
        VAL.format(SYNC, f"{SYNC}, {MAX}", f"{SYNC}, {SUM}, on_epoch=True"),
        "",
    ),
}
REDUCED = """
def on_validation_epoch_start(self):
    self.sums = torch.zeros(3)
    self.top = torch.zeros(1)

def validation_step(self, batch, batch_idx):
    losses = F.cross_entropy(self(batch[0]), batch[1], reduction="none")
    wrong = (self(batch[0]).argmax(1) != batch[1]).sum()
    self.sums += torch.stack([losses.sum(), wrong, torch.tensor(len(losses))])
    self.top = torch.maximum(self.top, losses.max())

def on_validation_epoch_end(self):
    group = torch.distributed
    if group.is_initialized():
        group.REDUCE(self.sums)
        group.REDUCE(self.top, op=group.ReduceOp.MAX)
    self.log("val_loss", self.sums[0] / self.sums[2])
    self.log("val_worst", self.top)
    self.log("val_errors", self.sums[1])
"""
KEEPS_LISTS = """
def validation_step(self, batch, batch_idx):
    losses = F.cross_entropy(self(batch[0]), batch[1], reduction="none")
    errors = (self(batch[0]).argmax(1) != batch[1])
    self.seen.append(torch.stack([losses, errors.float()]))

def on_validation_epoch_end(self):
    losses, errors = torch.cat(self.seen, 1)
    how = {"sync_dist": True, "batch_size": len(losses)}
    self.log("val_loss", losses.mean(), **how)
    self.log("val_worst", losses.max(), reduce_fx="max", **how)
    self.log("val_errors", errors.sum(), reduce_fx="sum", **how)
"""
RIGHT_4_3 |= {
    "reduced by torch": (REDUCED.replace("REDUCE(", "all_reduce("), ""),
    "gathered, and logged by the first process alone": (
        re.sub(r"(self.log\(.*)\)", r"\1, rank_zero_only=True)", COLLECT),
        "",
    ),
    "lists, cleared": (
        KEEPS_LISTS + "\ndef on_validation_epoch_start(self):\n    self.seen = []",
        "",
    ),
    "a callback": (
        """
def validation_step(self, batch, batch_idx):
    return self(batch[0]), batch[1]

def configure_callbacks(self):
    class Reports(L.Callback):
        def on_validation_batch_end(self, trainer, module, outputs, *_):
            logits, labels = outputs
            losses = F.cross_entropy(logits, labels, reduction="none")
            how = {"sync_dist": True, "on_epoch": True, "batch_size": len(labels)}
            module.log("val_loss", losses.mean(), **how)
            module.log("val_worst", losses.max(), reduce_fx=max, **how)
            wrong = (logits.argmax(1) != labels).float().sum()
            module.log("val_errors", wrong, reduce_fx="sum", **how)
    return Reports()
""",
        "",
    ),
}
WRONG_4_3 = {
    "right in the first process alone": (
        REDUCED.replace("REDUCE(self.sums", "reduce(self.sums, 0").replace(
            "REDUCE(self.top", "reduce(self.top, 0"
        ),
        "",
        "val_loss is 0.160 in process 1 of 0 to 1; the exact value is 0.390.",
    ),
    "lists never cleared": (
        KEEPS_LISTS,
        "self.seen = []",
        "What an earlier validation left is still in it.",
    ),
    "objects computed and never reset": (
        OBJECTS.split("    self.log_dict")[0]
        + """
def on_validation_epoch_end(self):
    for name in ("mean", "worst", "wrong"):
        label = {"mean": "loss", "wrong": "errors"}.get(name, name)
        self.log(f"val_{label}", getattr(self, name).compute())
""",
        MAKE,
        "What an earlier validation left is still in it.",
    ),
    "divides by the check's number of images": (
        VAL.format(f"{SYNC}, {SUM}", f"{SYNC}, {MAX}", f"{SYNC}, {SUM}").replace(
            "losses.mean()", "losses.sum() / 96"
        ),
        "",
        "Say how batches and processes are combined.",
    ),
    "sums of everything": (
        VAL.format(f"{SYNC}, {SUM}", f"{SYNC}, {SUM}", f"{SYNC}, {SUM}"),
        "",
        "with 1 process; the exact value is 0.333. This is a sum over batches.",
    ),
    "a share of errors": (
        VAL.format(SYNC, f"{SYNC}, {MAX}", SYNC).replace(
            "errors.sum()", "errors.mean()"
        ),
        "",
        "val_errors is 0.100 with 1 process; the exact value is 7.000. Say how",
    ),
    "sync alone": (
        VAL.format(SYNC, SYNC, SYNC),
        "",
        "with 1 process; the exact value is 2.566. This is a mean over batches.",
    ),
    "rules, no sync": (
        VAL.format("", MAX, SUM),
        "",
        "with 2 processes; the exact value is 0.390. This is what the first",
    ),
    "rank zero only": (
        VAL.format("rank_zero_only=True", MAX, SUM),
        "",
        "with 2 processes; the exact value is 0.390. This is what the first",
    ),
    "count forgotten": (
        VAL.format(SYNC, f"{SYNC}, {MAX}", SUM),
        "",
        "val_errors is 7.000 with 2 processes; the exact value is 11.000. This is",
    ),
    "mean of the files": (
        COLLECT.replace("total, count = mean.reshape(-1, 2).sum(0)", "").replace(
            "total / count", "(mean[..., 0] / mean[..., 1]).mean()"
        ),
        "",
        "This is the mean of the two processes' values.",
    ),
    "unweighted": (
        VAL.format(f"{SYNC}, batch_size=1", f"{SYNC}, {MAX}", f"{SYNC}, {SUM}"),
        "",
        "Each batch has the same vote, whatever its size.",
    ),
    "another name": (
        VAL.format(SYNC, f"{SYNC}, {MAX}", f"{SYNC}, {SUM}").replace(
            "val_errors", "val_wrong"
        ),
        "",
        "No metric named 'val_errors' was logged (found: val_loss, val_worst",
    ),
}


def test_one_process_reads_both_files_of_4_3():
    images, labels = digits(5)
    read = list(Files(images, labels, 3))
    assert [int(label) for _, label in read] == labels.tolist()


LOGGED = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    self.log("lr", self.optimizers().param_groups[0]["lr"])
    return F.cross_entropy(self(images), labels)
"""
PLAIN = LOGGED.replace(
    '    self.log("lr", self.optimizers().param_groups[0]["lr"])\n', ""
)
OPT = """
def configure_optimizers(self):
    optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
    n = {1}
    scheduler = torch.optim.lr_scheduler.{0}
    return [optimizer], [{{"scheduler": scheduler, "interval": "{2}"}}]
"""
TOTAL = "self.trainer.estimated_stepping_batches"
LAMBDA = "LambdaLR(optimizer, lambda i: 1 - i / n)"

RIGHT_4_4 = {
    "polynomial": LOGGED
    + OPT.format("PolynomialLR(optimizer, total_iters=n)", TOTAL, "step"),
    "zero in the last update": LOGGED
    + OPT.format(
        "LinearLR(optimizer, 1.0, 0.0, total_iters=n - 1)", f"int({TOTAL})", "step"
    ),
    "another optimizer": (LOGGED + OPT.format(LAMBDA, TOTAL, "step")).replace(
        "SGD(", "AdamW("
    ),
    "by hand": PLAIN
    + """
def on_before_optimizer_step(self, optimizer):
    share = self.trainer.global_step / self.trainer.estimated_stepping_batches
    optimizer.param_groups[0]["lr"] = 0.1 * (1 - share)
    self.log("lr", optimizer.param_groups[0]["lr"])

def configure_optimizers(self):
    return torch.optim.SGD(self.parameters(), lr=0.1)
""",
}
BY_HAND_4_4 = """
def training_step(self, batch, batch_idx):
    first, second = self.optimizers()
    self.log("lr", first.param_groups[0]["lr"])
    loss = F.cross_entropy(self(batch[0]), batch[1])
    for optimizer in (first, second):
        optimizer.zero_grad()
    self.manual_backward(loss)
    for optimizer, scheduler in zip((first, second), self.lr_schedulers()):
        optimizer.step()
        scheduler.step()

def configure_optimizers(self):
    self.automatic_optimization = False
    n = self.trainer.estimated_stepping_batches
    both = [torch.optim.SGD(layer.parameters(), lr=0.1)
            for layer in (self.net[1], self.net[3])]
    line = lambda i: 1 - i / n
    return both, [torch.optim.lr_scheduler.LambdaLR(o, line) for o in both]
"""
GROUPS = """
def configure_optimizers(self):
    weights = [p for p in self.parameters() if p.ndim > 1]
    biases = [p for p in self.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    n = self.trainer.estimated_stepping_batches
    line = torch.optim.lr_scheduler.LambdaLR(optimizer, LINE)
    return [optimizer], [{"scheduler": line, "interval": "step"}]
"""
COUNTS = (
    PLAIN
    + """
def on_train_start(self):
    self.done = 0

def on_before_optimizer_step(self, optimizer):
    n = self.trainer.estimated_stepping_batches
    for group in optimizer.param_groups:
        group["lr"] = 0.1 * (1 - self.done / n)
    self.done += 1
    self.log_dict({"lr": group["lr"]})

def configure_optimizers(self):
    return torch.optim.RMSprop(self.parameters(), lr=0.1)
"""
)
RIGHT_4_4 |= {
    "by hand, two optimizers": BY_HAND_4_4,
    "two parameter groups": LOGGED + GROUPS.replace("LINE", "lambda i: 1 - i / n"),
    "counts its updates": COUNTS,
    "a scheduler of its own, stepped by a hook": LOGGED
    + """
class Line(torch.optim.lr_scheduler.LRScheduler):
    def __init__(self, optimizer, n):
        self.n = n
        super().__init__(optimizer)
    def get_lr(self):
        return [b * (1 - self.last_epoch / self.n) for b in self.base_lrs]

def lr_scheduler_step(self, scheduler, metric):
    scheduler.step()

def configure_optimizers(self):
    optimizer = torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)
    line = self.Line(optimizer, self.trainer.estimated_stepping_batches)
    return {"optimizer": optimizer,
            "lr_scheduler": {"scheduler": line, "interval": "step", "frequency": 1}}
""",
}
WRONG_4_4 = {
    "another start": (
        (LOGGED + OPT.format(LAMBDA, TOTAL, "step")).replace("lr=0.1", "lr=0.01"),
        "In 2 epochs of 12 batches the first update had the rate 0.0100 instead of",
    ),
    "a power of the line": (
        LOGGED
        + OPT.format(
            LAMBDA.replace("i: 1 - i / n", "i: (1 - i / n) ** 1.1"), TOTAL, "step"
        ),
        "Let it fall by the same amount in each update.",
    ),
    "not to zero": (
        LOGGED
        + OPT.format("LinearLR(optimizer, 1.0, 0.1, total_iters=n)", TOTAL, "step"),
        "In 2 epochs of 12 batches the line reaches zero after 27 updates; there were",
    ),
    "the batches of the check's first run": (
        LOGGED
        + OPT.format(
            LAMBDA,
            "12 * self.trainer.max_epochs // self.trainer.accumulate_grad_batches",
            "step",
        ),
        "In 3 epochs of 7 batches the line reaches zero after 36 updates; there were",
    ),
    "leaves the second group": (
        LOGGED + GROUPS.replace("LINE", "[lambda i: 1 - i / n, lambda i: 1.0]"),
        "In 2 epochs of 12 batches all 24 updates had the rate 0.1. It should fall",
    ),
    "logged as a mean, too": (
        LOGGED.replace('["lr"])', '["lr"], on_step=True, on_epoch=True)')
        + OPT.format(LAMBDA, TOTAL, "step"),
        "The logger got 'lr' 0 times in 24 updates; it got lr_step, lr_epoch.",
    ),
    "a monitor's name": (
        PLAIN
        + OPT.format(LAMBDA, TOTAL, "step")
        + "\ndef configure_callbacks(self):\n"
        + "    return L.pytorch.callbacks.LearningRateMonitor('step')\n",
        "The logger got 'lr' 0 times in 24 updates; it got lr-SGD.",
    ),
    "interval forgotten": (
        LOGGED + OPT.format(LAMBDA, TOTAL, "epoch"),
        "there were 2 rates in 24 updates. It should fall with every update; Lightning",
    ),
    "as many updates as in two epochs": (
        LOGGED + OPT.format(LAMBDA, "24", "step"),
        "In 3 epochs of 7 batches the line reaches zero after 24 updates; there were",
    ),
    "batches counted as updates": (
        LOGGED
        + OPT.format(
            LAMBDA,
            "self.trainer.max_epochs * len("
            "self.trainer.fit_loop._data_source.instance)",
            "step",
        ),
        "accumulate 3 the line reaches zero after 22 updates; there were 8. Count",
    ),
    "a cosine": (
        LOGGED + OPT.format("CosineAnnealingLR(optimizer, n)", TOTAL, "step"),
        "In 2 epochs of 12 batches update 20 of 24 had the rate 0.0103 instead of",
    ),
    "not logged": (
        PLAIN + OPT.format(LAMBDA, TOTAL, "step"),
        "The logger got 'lr' 0 times in 24 updates.",
    ),
    "logged too late": (
        PLAIN
        + OPT.format(LAMBDA, TOTAL, "step")
        + """
def on_train_batch_end(self, outputs, batch, batch_idx):
    self.log("lr", self.optimizers().param_groups[0]["lr"])
""",
        "It is the next update's rate: log before the scheduler steps.",
    ),
    "a constant in the log": (
        LOGGED.replace('self.optimizers().param_groups[0]["lr"]', "0.1")
        + OPT.format(LAMBDA, TOTAL, "step"),
        "What the logger got as 'lr' is not the rate that was applied.",
    ),
    "no scheduler": (
        LOGGED
        + "def configure_optimizers(self):\n"
        + "    return torch.optim.SGD(self.parameters(), lr=0.1)",
        "In 2 epochs of 12 batches all 24 updates had the rate 0.1. It should fall",
    ),
    "one rank is slower": (
        LOGGED
        + OPT.format(
            LAMBDA.replace("i / n", "i / n * 0.5 ** r"), TOTAL, "step"
        ).replace("n = ", "r = self.global_rank; n = "),
        "The processes' learning rates differ in 5 of 6 updates.",
    ),
    "no loss": (
        LOGGED.replace("return ", "") + OPT.format(LAMBDA, TOTAL, "step"),
        "Training changes no weight.",
    ),
}


RIGHT = {
    "4.1": {name: classifier(*case) for name, case in RIGHT_4_1.items()},
    "4.2": {name: classifier(body) for name, body in RIGHT_4_2.items()},
    "4.3": {name: classifier(*case) for name, case in RIGHT_4_3.items()},
    "4.4": {name: classifier(body) for name, body in RIGHT_4_4.items()},
}
RIGHT["4.1"] |= {
    "a class of another kind": OTHER_4_1,
    "a class between, smoothed labels": BETWEEN_4_1,
}
WRONG = {
    practice: {name: (classifier(*case[:-1]), case[-1]) for name, case in table.items()}
    for practice, table in (
        ("4.1", WRONG_4_1),
        ("4.2", WRONG_4_2),
        ("4.3", WRONG_4_3),
        ("4.4", WRONG_4_4),
    )
}


@each_answer("practice, source", RIGHT)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer("practice, source, message", WRONG)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
