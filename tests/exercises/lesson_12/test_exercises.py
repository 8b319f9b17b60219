"""Answers to the exercises of lesson 12, right and wrong, and what each is told."""

import pytest
import torch
from learner import (
    answer,
    assert_correct,
    assert_incorrect,
    classifier,
    denoiser,
    each_answer,
    judged,
)
from lightning_utilities.core.imports import RequirementCache

from course_utils.exercises.lesson_12.epoch_metrics import (
    exact,
    pooled,
    reports_each_epoch,
)
from course_utils.exercises.lesson_12.patch_masking import hides_a_patch
from course_utils.exercises.lesson_12.untouched_batch import batch_untouched

STEP = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    loss = F.cross_entropy(self(images), labels)
"""
MANUAL = "self.automatic_optimization = False"

SKIP_IF = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    if {}:
        return None
    return F.cross_entropy(self(images), labels)
"""
FORGETS_GRADIENTS = """
def training_step(self, batch, batch_idx):
    return F.cross_entropy(self(batch[0]), batch[1])
def on_before_optimizer_step(self, optimizer):
    if any(p.grad.isnan().any() for p in self.parameters()):
        self.zero_grad()
"""
DROPS_IN_A_HOOK = """
def on_before_batch_transfer(self, batch, dataloader_idx):
    return None if batch[0].isnan().any() else batch
def training_step(self, batch, batch_idx):
    return None if batch is None else F.cross_entropy(self(batch[0]), batch[1])
"""

RIGHT_12_1 = {
    "a dict": STEP + "    if loss.isfinite():\n        return {'loss': loss}",
    "leaves early": STEP + "    if loss.isnan():\n        return None\n    return loss",
    "looks at the images": """
def training_step(self, batch, batch_idx):
    images, labels = batch
    if not images.isfinite().all():
        return None
    noisy = images + 0.01 * torch.randn_like(images)
    return F.cross_entropy(self.net(noisy), labels, label_smoothing=0.1)
""",
    "forgets the gradients": FORGETS_GRADIENTS,
    "drops the batch in a hook": DROPS_IN_A_HOOK,
    "adds up the pixels": SKIP_IF.format("images.sum().isnan()"),
    "a summed loss": STEP.replace("labels)", "labels, reduction='sum')")
    + "    if loss.isfinite():\n        return loss",
}
WRONG_12_1 = {
    "knows the number of the image": (
        SKIP_IF.format("images[3].isnan().any()"),
        "After a batch with nan pixels the weights are nan.",
    ),
    "looks at one pixel": (
        SKIP_IF.format("images[:, 0, 0, 0].isnan().any()"),
        "After a batch with nan pixels the weights are nan.",
    ),
    "looks for images that are all nan": (
        SKIP_IF.format("images.isnan().flatten(1).all(1).any()"),
        "After a batch with nan pixels the weights are nan.",
    ),
    "knows both numbers": (
        SKIP_IF.format("batch_idx in (2, 4)"),
        "The weights changed on 4 of 5 good batches. Train on every batch that is not",
    ),
    "compares with a bound": (
        STEP + "    return None if loss > 100 else loss",
        "After a batch with nan pixels the weights are nan.",
    ),
    "a loss of zero that has gradients": (
        STEP + "    return loss if loss.isfinite() else 0 * sum("
        "p.sum() for p in self.parameters())",
        "The weights changed on a batch with nan pixels.",
    ),
    "drops the broken images only": (
        STEP.replace(
            "    loss", "    good = images.isfinite().flatten(1).all(1)\n    loss"
        )
        .replace("(images)", "(images[good])")
        .replace(", labels)", ", labels[good])")
        + "    return loss",
        "The weights changed on a batch with nan pixels.",
    ),
    "stops at the first broken one": (
        STEP + "    self.broken = getattr(self, 'broken', False) or loss.isnan()\n"
        "    return None if self.broken else loss",
        "The weights changed on 2 of 5 good batches.",
    ),
    "returns outside the if": (
        STEP + "    if loss.isfinite():\n        self.log('l', loss)\n    return loss",
        "After a batch with nan pixels the weights are nan. Let nothing of a broken",
    ),
    "zeroes the loss, not its gradient": (
        STEP + "    return loss.nan_to_num()",
        "After a batch with nan pixels the weights are nan. Let nothing of a broken",
    ),
    "multiplies by zero": (
        STEP + "    return loss if loss.isfinite() else loss * 0",
        "After a batch with nan pixels the weights are nan. Let nothing of a broken",
    ),
    "detaches": (
        STEP + "    if loss.isfinite():\n        return loss.detach()",
        "RuntimeError: the loss has no gradient, return it undetached.",
    ),
    "copies the value": (
        STEP
        + "    if loss.isfinite():\n"
        + "        return torch.tensor(float(loss), requires_grad=True)",
        "The weights changed on 0 of 5 good batches. Train on every batch that is not",
    ),
    "every second batch": (
        STEP
        + "    if loss.isfinite() and batch_idx % 2 == 0:\n"
        + "        return loss",
        "The weights changed on 2 of 5 good batches.",
    ),
    "knows the number of the batch": (
        STEP + "    if batch_idx != 2:\n        return loss",
        "After a batch with nan pixels the weights are nan. Let nothing of a broken",
    ),
    "repairs the pixels": (
        STEP.replace("self(images)", "self(images.nan_to_num())") + "    return loss",
        "The weights changed on a batch with nan pixels. Skip the whole batch: repair",
    ),
    "climbs": (
        STEP + "    if loss.isfinite():\n        return -loss",
        "Training makes the cross-entropy of the training images larger.",
    ),
    "ends the epoch": (
        STEP + "    return loss\n"
        "def on_train_batch_start(self, batch, batch_idx):\n"
        "    if batch[0].isnan().any():\n        return -1",
        "Training stopped after 2 of 6 batches.",
    ),
    "drops the loss": (STEP + "    self.loss = loss", "changed on 0 of 5 good batches"),
}
MANUALLY = (
    STEP
    + """
    if loss.isfinite():
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
"""
)
MANUALLY_TOO_FAR = MANUALLY.replace(
    "        optimizer.step()", "    optimizer.step()"
).replace("    if loss", "    optimizer = self.optimizers()\n    if loss")
TWO_OPTIMIZERS = (
    STEP
    + """
    if loss.isfinite():
        self.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()
def configure_optimizers(self):
    return [torch.optim.SGD(self.net[i].parameters(), lr=0.1) for i in (1, 3)]
"""
)
OWN_NET = """
class Own(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Dropout(0.2))
        self.criterion = nn.CrossEntropyLoss()
    def training_step(self, b, i):
        loss = self.criterion(self.model(b[0]), b[1])
        return loss if torch.isfinite(loss) else None
    def configure_optimizers(self):
        return [torch.optim.SGD(self.parameters(), lr=0.1)]
"""


VAL = """
def validation_step(self, batch, batch_idx):
    images, labels = batch
    logits = self(images)
"""
END = "\ndef on_validation_epoch_end(self):\n"
F1 = "self.f1 = MulticlassF1Score(num_classes=10)"
LISTS = "self.preds, self.labels = [], []"
COLLECT = (
    VAL + "    self.preds.append(logits.argmax(1)); self.labels.append(labels)" + END
)
CLEAR = "    self.preds.clear(); self.labels.clear()"
GATHER = """
    preds = self.all_gather(torch.cat(self.preds)).flatten()
    labels = self.all_gather(torch.cat(self.labels)).flatten()
    self.log("val_f1", multiclass_f1_score(preds, labels, num_classes=10))
"""
LOCAL = (
    "    f1 = multiclass_f1_score(torch.cat(self.preds), torch.cat(self.labels), 10)\n"
)
COUNTS = (
    VAL
    + "    ones = torch.ones(len(labels))\n"
    + "    self.counts.index_put_((labels, logits.argmax(1)), ones, accumulate=True)"
    + END
    + """
    counts = self.all_gather(self.counts).view(-1, 10, 10).sum(0)
    f1 = 2 * counts.diag() / (counts.sum(0) + counts.sum(1)).clamp(min=1)
    self.log("val_f1", f1.mean())
    self.counts = torch.zeros(10, 10)
"""
)
LOG_F1 = VAL + "    self.f1(logits, labels); self.log('val_f1', self.f1)"
UPDATE = VAL + "    self.f1.update(logits, labels)" + END

TRAINS = """
def training_step(self, batch, batch_idx):
    logits = self(batch[0])
    {}
    return F.cross_entropy(logits, batch[1])
"""
LOG_TRAIN = "self.{0}(logits, batch[1]); self.log('train', self.{0}, on_epoch=True)"
CONFUSION = """
def validation_step(self, batch, batch_idx):
    self.confusion.update(self(batch[0]), batch[1])
def on_validation_epoch_end(self):
    counts = self.confusion.compute().float()
    f1 = 2 * counts.diag() / (counts.sum(0) + counts.sum(1)).clamp(min=1)
    self.log("val_f1", f1.mean())
    self.confusion.reset()
"""

RIGHT_12_2 = {
    "a confusion matrix": (
        CONFUSION,
        "self.confusion = torchmetrics.ConfusionMatrix('multiclass', num_classes=10)",
    ),
    "a collection": (
        VAL + "    self.all(logits, labels); self.log_dict(self.all)",
        "self.all = torchmetrics.MetricCollection({'val_f1': MulticlassF1Score(10)})",
    ),
    "one object for each stage": (
        LOG_F1 + TRAINS.format(LOG_TRAIN.format("train_f1")),
        F1 + "\nself.train_f1 = MulticlassF1Score(10)",
    ),
    "collected and gathered": (COLLECT + GATHER + CLEAR, LISTS),
    "own counts": (COUNTS, "self.counts = torch.zeros(10, 10)"),
    "computes and resets": (
        UPDATE + "    self.log('val_f1', self.f1.compute())\n    self.f1.reset()",
        F1,
    ),
}
WRONG_12_2 = {
    "one object for both stages": (
        LOG_F1 + TRAINS.format(LOG_TRAIN.format("f1")),
        F1,
        "During fit val_f1 is 0.866, the exact value is 0.831. No other images may cou",
    ),
    "adds training up, too": (
        UPDATE
        + "    self.log('val_f1', self.f1.compute()); self.f1.reset()"
        + TRAINS.format("self.f1.update(logits, batch[1])"),
        F1,
        "During fit val_f1 is 0.866, the exact value is 0.831. No other images may cou"
        if RequirementCache("torchmetrics>1.4.1")
        else "RuntimeError: Inplace update to inference tensor outside InferenceMode",
    ),
    "accuracy, each class alike": (
        LOG_F1,
        "self.f1 = torchmetrics.classification.MulticlassAccuracy(10)",
        "the exact value is 0.881. This is the mean of the classes' accuracies.",
    ),
    "weighted": (
        LOG_F1,
        F1.replace(")", ", average='weighted')"),
        "the exact value is 0.881. This is the weighted F1.",
    ),
    "precision": (
        LOG_F1,
        "self.f1 = torchmetrics.classification.MulticlassPrecision(10)",
        "val_f1 is 0.875 with 1 process; the exact value is 0.881. It should be the ma",
    ),
    "leaves a class out": (
        LOG_F1,
        F1.replace(")", ", ignore_index=0)"),
        "val_f1 is 0.867 with 1 process; the exact value is 0.881. It should be the ma",
    ),
    "micro": (
        LOG_F1,
        "self.f1 = torchmetrics.F1Score(task='multiclass', num_classes=10)",
        "This is the micro F1, which equals accuracy.",
    ),
    "batch value of the object": (
        VAL + "    self.log('val_f1', self.f1(logits, labels), sync_dist=True)",
        F1,
        "with 1 process; the exact value is 0.881. This is the mean of batch scores.",
    ),
    "not gathered": (
        COLLECT + LOCAL + "    self.log('val_f1', f1)\n" + CLEAR,
        LISTS,
        "with 2 processes; the exact value is 0.881. This is the score of the first",
    ),
    "averaged over processes": (
        COLLECT + LOCAL + "    self.log('val_f1', f1, sync_dist=True)\n" + CLEAR,
        LISTS,
        "with 2 processes; the exact value is 0.881. This is the mean of the two",
    ),
    "another name": (
        LOG_F1.replace("'val_f1'", "'f1'"),
        F1,
        "No metric named 'val_f1' was logged (found: f1). Log it with",
    ),
    "never reset": (
        UPDATE + "    self.log('val_f1', self.f1.compute())",
        F1,
        "The first epoch is still in it; reset the metric.",
    ),
    "created for each batch": (
        VAL
        + "    f1 = MulticlassF1Score(num_classes=10)\n    f1(logits, labels)\n"
        + "    self.log('val_f1', f1)",
        F1,
        "Validation raised MisconfigurationException: Could not find",
    ),
    "computes on one process": (
        UPDATE + "    if self.trainer.is_global_zero:\n        self.f1.compute()",
        F1,
        "No metric named",
    ),
}
WRONG_12_2["fails in two processes only"] = (
    VAL
    + "    assert self.trainer.world_size == 1, 'alone'\n"
    + "    self.f1(logits, labels); self.log('val_f1', self.f1)",
    F1,
    "With 2 processes: Validation raised AssertionError: alone (line ",
)


TRAIN = "def training_step(self, batch, batch_idx):\n"
MOVED = "    images, labels = batch.images.to({0}), batch.labels.to({0})\n"
LOSS = "    return F.cross_entropy(self(images), labels)\n"
USES = TRAIN + "    return F.cross_entropy(self(batch.images), batch.labels)\n"
HOOK = "def transfer_batch_to_device(self, batch, device, dataloader_idx):\n"
BOTH = (
    "    batch.images = batch.images.to(device)\n"
    "    batch.labels = batch.labels.to(device)\n"
)

BY_HAND = TRAIN + MOVED.format("self.device") + LOSS.replace("return", "loss =")

RIGHT_12_3 = {
    "a callback of the module": "def configure_callbacks(self):\n"
    "    class Moves(L.Callback):\n"
    "        def on_train_batch_start(self, trainer, model, batch, batch_idx):\n"
    "            batch.images = batch.images.to(model.device)\n"
    "            batch.labels = batch.labels.to(model.device)\n"
    "    return Moves()\n" + USES,
    "by hand, with the loss's own backward": "automatic_optimization = False\n"
    + TRAIN
    + MOVED.format("self.device")
    + "    self.optimizers().zero_grad()\n"
    + LOSS.replace("return ", "").rstrip()
    + ".backward()\n    self.optimizers().step()\n",
    "where the Trainer trains": TRAIN
    + MOVED.format("self.trainer.strategy.root_device")
    + LOSS,
    "like a weight": TRAIN
    + "    images = batch.images.type_as(self.net[1].weight)\n"
    + "    labels = batch.labels.to(images.device)\n"
    + LOSS,
    "all that the batch holds": HOOK
    + "    for name, tensor in vars(batch).items():\n"
    + "        setattr(batch, name, tensor.to(device))\n    return batch\n"
    + USES,
    "a copy of the batch": HOOK
    + "    batch = copy.copy(batch)\n"
    + BOTH
    + "    return batch\n"
    + USES,
    "noted when fit starts": "def on_fit_start(self):\n    self.place = self.device\n"
    + TRAIN
    + MOVED.format("self.place")
    + LOSS,
    "branches on the loss": BY_HAND + "    if loss.isfinite():\n        return loss",
    "prints numbers": BY_HAND + "    print(f'{loss:.3f} {loss.item():.3f}')\n"
    "    right = (self(images).argmax(1) == labels).float().mean().item()\n"
    "    if right > 0.5:\n        self.log('right', right)\n    return loss",
    "asserts what it gets": TRAIN
    + "    assert batch.labels.max() < 10\n"
    + MOVED.format("self.device")
    + LOSS,
    "asks the Trainer": TRAIN
    + "    self.trainer.global_step\n"
    + MOVED.format("self.device")
    + LOSS,
    "self.device": TRAIN + MOVED.format("self.device") + LOSS,
    "where the weights are": TRAIN + MOVED.format("self.net[1].weight.device") + LOSS,
    "before the transfer": "def on_before_batch_transfer(self, batch, idx):\n"
    "    return batch.images, batch.labels\n" + TRAIN + "    images, labels = batch\n"
    "    loss = F.cross_entropy(self(images), labels)\n    self.log('l', loss)\n"
    "    return {'loss': loss}",
    "through super": HOOK + "    parts = batch.images, batch.labels\n"
    "    return super().transfer_batch_to_device(parts, device, dataloader_idx)\n"
    + TRAIN
    + "    images, labels = batch\n"
    + LOSS,
}
WRONG_12_3 = {
    "moves itself to the batch": (
        TRAIN + "    self.to(batch.images.device)\n" + USES.removeprefix(TRAIN),
        "On cuda:0 the loss is computed on cpu. Compute it where the Trainer puts",
    ),
    "moves a part of itself to the batch": (
        TRAIN + "    self.net.to(batch.images.device)\n" + USES.removeprefix(TRAIN),
        "On cuda:0 the loss is computed on cpu. Compute it where the Trainer puts",
    ),
    "changes the class": (
        "def on_before_batch_transfer(self, batch, idx):\n"
        "    type(batch).to = lambda scans, device: scans\n    return batch\n" + USES,
        "cannot set 'to' of the class 'Scans' (line ",
    ),
    "notes its device before it is moved": (
        "def setup(self, stage):\n    self.place = self.device\n"
        + TRAIN
        + MOVED.format("self.place")
        + LOSS,
        "It fails on cuda:0: Expected all tensors to be on the same device, but found",
    ),
    "chooses a GPU when it is built": (
        "place = property(lambda self: self.found)\n"
        "def __init__(self):\n    super().__init__()\n"
        "    self.found = 'cuda:0' if torch.cuda.is_available() else 'cpu'\n"
        + TRAIN
        + MOVED.format("self.place")
        + LOSS,
        "It fails on cuda:1: Expected all tensors to be on the same device, but found",
    ),
    "cuda removed": (USES, "fails on cuda:0: "),
    "names the first": (
        TRAIN + MOVED.format("'cuda:0'") + LOSS,
        "fails on cpu: ",
    ),
    "takes a GPU whenever there is one": (
        TRAIN + MOVED.format("'cuda' if torch.cuda.is_available() else 'cpu'") + LOSS,
        "fails on the cpu of a machine with GPUs",
    ),
    "moves images only": (
        HOOK + "    batch.images = batch.images.to(device)\n    return batch\n" + USES,
        "fails on cuda:0",
    ),
    "moves without keeping": (
        HOOK + "    batch.images.to(device)\n    return batch\n" + USES,
        "fails on cuda:0",
    ),
    "hook returns nothing": (
        HOOK + BOTH + USES,
        "A hook for the batch returned None; return the batch.",
    ),
    "detaches": (
        TRAIN + MOVED.format("self.device") + LOSS.rstrip() + ".detach()",
        "the loss has no gradient, return it undetached",
    ),
    "drops the loss": (
        TRAIN + MOVED.format("self.device") + LOSS.replace("return", "self.loss ="),
        "The step returned NoneType instead of a loss. Return the loss.",
    ),
    "returns a number": (
        TRAIN + MOVED.format("self.device") + LOSS.rstrip() + ".item()",
        "The step returned float instead of a loss. Return the loss.",
    ),
    "computes the loss on the CPU": (
        TRAIN
        + "    images = batch.images.to(self.device)\n"
        + "    return F.cross_entropy(self(images).cpu(), batch.labels)",
        "On cuda:0 the loss is computed on cpu.",
    ),
}


RATE = VAL + "    right = logits.argmax(1) == labels\n    acc = right.float().mean()\n"
LIST = "self.accs = []"
ACC = "self.acc = torchmetrics.Accuracy(task='multiclass', num_classes=10{})"
LOG_LIST = END + "    self.log('val_acc', {})\n"
KEEP = "    self.accs.append({})"

MEAN = "self.acc = torchmetrics.MeanMetric()"
LOG_ACC = VAL + "    self.acc(logits, labels); self.log('val_acc', self.acc)"
COUNTED = VAL + "    self.right += (logits.argmax(1) == labels).sum().item()" + END

RIGHT_12_4 = {
    "micro F1 is accuracy": (
        LOG_ACC,
        "self.acc = MulticlassF1Score(10, average='micro')",
    ),
    "a mean over images": (
        VAL + "    self.acc.update((logits.argmax(1) == labels).float())\n"
        "    self.log('val_acc', self.acc)",
        MEAN,
    ),
    "in steps and epochs, with its size": (
        RATE + "    self.log('val_acc', acc, True, on_step=True, on_epoch=True, "
        "batch_size=len(labels))",
        LIST,
    ),
    "a list that starts with the epoch": (
        "def on_validation_epoch_start(self):\n    self.accs = []\n"
        + VAL
        + "    self.accs += (logits.argmax(1) == labels).tolist()\n"
        + LOG_LIST.format("float(np.mean(self.accs))"),
        "pass",
    ),
    "log_dict": (RATE + "    self.log_dict({'val_acc': acc, 'one': 1.0})", "pass"),
    "torchmetrics": (
        VAL + "    self.acc(logits, labels); self.log('val_acc', self.acc)",
        ACC.format(""),
    ),
    "pooled list": (
        RATE
        + KEEP.format("right")
        + LOG_LIST.format("torch.cat(self.accs).float().mean()")
        + "    self.accs.clear()",
        LIST,
    ),
    "counts": (
        RATE
        + "    self.n += len(labels); self.right += right.sum().item()"
        + LOG_LIST.format("self.right / self.n")
        + "    self.n = self.right = 0",
        "self.n = self.right = 0",
    ),
}
WRONG_12_4 = {
    "list cleared": (
        RATE
        + KEEP.format("acc")
        + LOG_LIST.format("torch.stack(self.accs).mean()")
        + "    self.accs.clear()",
        LIST,
        "Each batch has the same vote, even the small one.",
    ),
    "batch size of one": (
        RATE + "    self.log('val_acc', acc, batch_size=1)",
        LIST,
        "Each batch has the same vote, even the small one.",
    ),
    "pooled, never cleared": (
        RATE
        + KEEP.format("right")
        + LOG_LIST.format("torch.cat(self.accs).float().mean()"),
        LIST,
        "The first epoch is still in it; start each epoch empty.",
    ),
    "last batch": (
        RATE + "    self.last = acc" + LOG_LIST.format("self.last"),
        LIST,
        "This is the last batch alone.",
    ),
    "another name": (
        RATE + "    self.log('accuracy', acc)",
        LIST,
        "No metric named 'val_acc' was logged (found: accuracy). Log it with",
    ),
    "raises": (
        RATE + "    self.log('val_acc', acc, nonsense=1)",
        LIST,
        "Validation raised TypeError",
    ),
    "macro": (
        VAL + "    self.acc(logits, labels); self.log('val_acc', self.acc)",
        ACC.format(", average='macro'"),
        'This is the mean of the classes\' accuracies; average="micro" counts every',
    ),
    "macro by default": (
        LOG_ACC,
        "self.acc = torchmetrics.classification.MulticlassAccuracy(10)",
        'This is the mean of the classes\' accuracies; average="micro" counts every',
    ),
    "macro F1": (
        LOG_ACC,
        "self.acc = MulticlassF1Score(10)",
        "val_acc is 0.870, the exact value is 0.867. It should be the share of right",
    ),
    "one object for both stages": (
        LOG_ACC + TRAINS.format(LOG_TRAIN.format("acc")),
        ACC.format(""),
        "During fit val_acc is 0.894, the exact value is 0.892. No other images may",
    ),
    "knows the number of images": (
        COUNTED + "    self.log('val_acc', self.right / 83)\n    self.right = 0",
        "self.right = 0",
        "After epoch 2 val_acc is 0.759, the exact value is 0.851. It should be",
    ),
    "a mean over batches": (
        RATE + "    self.acc.update(acc)\n    self.log('val_acc', self.acc)",
        MEAN,
        "Each batch has the same vote, even the small one.",
    ),
    "the best batch": (
        RATE + "    self.log('val_acc', acc, reduce_fx='max')",
        LIST,
        "val_acc is 0.975, the exact value is 0.867. It should be the share of right",
    ),
    "the share of wrong images": (
        RATE + "    self.log('val_acc', 1 - acc)",
        LIST,
        "val_acc is 0.133, the exact value is 0.867. It should be the share of right",
    ),
    "steps only": (
        RATE + "    self.log('val_acc', acc, on_step=True, on_epoch=False)",
        LIST,
        "No metric named 'val_acc' was logged (found: nothing).",
    ),
}


PLACE = TRAIN + "    images, _ = batch\n    row, column = {}\n"
DRAWN = PLACE.format("torch.randint(0, 20, (2,)).tolist()")
FILL = "    patched[:, :, row : row + 8, column : column + 8] {}\n"
ZERO = FILL.format("= 0")
MSE = "    return F.mse_loss(self(patched), images.flatten(1))\n"
CLONE = "    patched = images.clone()\n"

IN_A_HOOK = """
def on_after_batch_transfer(self, batch, dataloader_idx):
    images, _ = batch
    row, column = torch.randint(0, 20, (2,)).tolist()
    patched = images{}
    patched[:, :, row : row + 8, column : column + 8] = 0
    return patched, images.clone()
def training_step(self, batch, batch_idx):
    patched, images = batch
    return F.mse_loss(self(patched), images.flatten(1))
"""
BACKWARD = """
    loss = F.mse_loss(self(patched), images.flatten(1))
    optimizer = self.optimizers()
    optimizer.zero_grad()
    self.manual_backward(loss)
    optimizer.step()
"""
MASK_OF_16 = """    mask = torch.ones(16, 1, 28, 28)
    mask[:, :, row : row + 8, column : column + 8] = 0
    patched = images * mask
"""

RIGHT_12_5 = {
    "the network hides it before its first layer": "def forward(self, images, hole):\n"
    "    return self.net(images.masked_fill(hole, 0.0))\n"
    + DRAWN
    + "    hole = torch.zeros(28, 28).bool()\n"
    "    hole[row : row + 8, column : column + 8] = True\n"
    + MSE.replace("self(patched)", "self(images, hole)"),
    "by hand": "def __init__(self):\n    super().__init__()\n    "
    + MANUAL
    + "\n"
    + DRAWN
    + CLONE
    + ZERO
    + BACKWARD,
    "in a hook": IN_A_HOOK.format(".clone()"),
    "asks the Trainer": DRAWN + CLONE + ZERO + "    self.trainer.global_step\n" + MSE,
    "a network that changes its input": "def forward(self, images):\n"
    "    images -= 0.5\n    return self.net(images)\n" + DRAWN + CLONE + ZERO + MSE,
    "called by keyword": DRAWN
    + CLONE
    + ZERO
    + MSE.replace("self(patched)", "self(images=patched)"),
    "puts the pixels back": DRAWN
    + "    whole = images.clone()\n    patched = images\n"
    + ZERO
    + "    out = self(patched.clone())\n    images.copy_(whole)\n"
    + "    return F.mse_loss(out, images.flatten(1))",
    "root of the error": DRAWN
    + CLONE
    + FILL.format("= images.mean()")
    + MSE.rstrip()
    + ".sqrt()",
    "mask": DRAWN + "    mask = torch.ones(28, 28)\n"
    "    mask[row : row + 8, column : column + 8] = 0\n"
    "    patched = images * mask\n" + MSE,
    "where, l1 on the hole": DRAWN + "    hole = torch.zeros(28, 28).bool()\n"
    "    hole[row : row + 8, column : column + 8] = True\n"
    "    patched = torch.where(hole, 0.5, images)\n"
    "    out = self(patched).view_as(images)\n"
    "    return {'loss': F.l1_loss(out[..., hole], images[..., hole])}",
    "filled with the mean": DRAWN + CLONE + FILL.format("= images.mean()") + MSE,
    "filled with noise, scaled": DRAWN
    + CLONE
    + FILL.format("= torch.rand(8, 8)")
    + "    patched = 2 * patched - 1 + 0.01 * torch.randn_like(patched)\n"
    + MSE,
    "drawn by Python": PLACE.format("random.sample(range(20), 2)") + CLONE + ZERO + MSE,
    "drawn by NumPy": PLACE.format("np.random.randint(0, 20, 2)") + CLONE + ZERO + MSE,
    "clean pass watched": DRAWN
    + "    with torch.no_grad():\n        self(images)\n"
    + CLONE
    + ZERO
    + MSE,
    "three by three pixels": DRAWN + CLONE + ZERO.replace("8", "3") + MSE,
    "a generator of its own": "def __init__(self):\n    super().__init__()\n"
    "    self.rng = np.random.default_rng()\n"
    + PLACE.format("self.rng.integers(0, 20, 2)")
    + CLONE
    + ZERO
    + MSE,
    "each image its own": TRAIN + "    images = batch[0]\n    patched = images + 0\n"
    "    for image in patched:\n"
    "        row, column = torch.randint(0, 20, (2,)).tolist()\n"
    "        image[:, row : row + 8, column : column + 8] = 1\n" + MSE,
}
WRONG_12_5 = {
    "in a hook, in the batch": (
        IN_A_HOOK.format(""),
        "The step changed 1 of the batch's tensors.",
    ),
    "knows the size of the batch": (
        DRAWN + MASK_OF_16 + MSE,
        "training_step raised RuntimeError: The size of tensor a (5) must match",
    ),
    "scattered pixels": (
        DRAWN + "    patched = F.dropout(images, 0.1)\n" + MSE,
        "The network saw a hidden patch in 0 of 16 images.",
    ),
    "copy of the object": (
        DRAWN + "    patched = copy.copy(images)\n" + ZERO + MSE,
        "The step changed 1 of the batch's tensors.",
    ),
    "slice": (
        DRAWN + "    patched = images[:]\n" + ZERO + MSE,
        "The step changed 1 of the batch's tensors. Work on a tensor of your own",
    ),
    "detach": (
        DRAWN + "    patched = images.detach()\n" + ZERO + MSE,
        "The step changed 1 of the batch's tensors.",
    ),
    "clone after patching": (
        DRAWN
        + "    patched = images\n"
        + ZERO
        + "    patched = patched.clone()\n"
        + MSE,
        "The step changed 1 of the batch's tensors.",
    ),
    "target cloned": (
        DRAWN + "    patched, images = images, images.clone()\n" + ZERO + MSE,
        "The step changed 1 of the batch's tensors.",
    ),
    "patched with patched": (
        DRAWN + CLONE + ZERO + MSE.replace("images.f", "patched.f"),
        "The loss does not change when the hidden pixels do: the target has the hole",
    ),
    "every image with every other": (
        DRAWN + CLONE + ZERO + MSE.replace("flatten(1)", "flatten(2)"),
        "What the loss asks of one image depends on the hidden pixels of others. "
        "Compare each image with itself: two tensors of the same shape.",
    ),
    "with the mean image": (
        DRAWN
        + CLONE
        + FILL.format("= images.mean()")
        + MSE.replace("images.f", "images.mean(0, True).expand_as(images).f"),
        "What the loss asks of one image depends on the hidden pixels of others.",
    ),
    "mean-filled with itself": (
        DRAWN
        + CLONE
        + FILL.format("= images.mean()")
        + MSE.replace("images.f", "patched.f"),
        "The loss does not change when the hidden pixels do",
    ),
    "patch removed": (DRAWN + CLONE + MSE, "saw a hidden patch in 0 of 16 images"),
    "patch never given": (
        DRAWN + CLONE + ZERO + MSE.replace("self(patched)", "self(images)"),
        "The network saw a hidden patch in 0 of 16 images.",
    ),
    "patch outside": (
        PLACE.format("28, 30") + CLONE + ZERO + MSE,
        "The network saw a hidden patch in 0 of 16 images.",
    ),
    "one image": (
        DRAWN
        + CLONE
        + "    patched[0, :, row : row + 8, column : column + 8] = 0\n"
        + MSE,
        "The network saw a hidden patch in 1 of 16 images.",
    ),
    "one pixel": (
        DRAWN + CLONE + "    patched[:, :, row, column] = 0\n" + MSE,
        "The network saw a hidden patch in 0 of 16 images.",
    ),
    "two by two pixels": (
        DRAWN + CLONE + ZERO.replace("8", "2") + MSE,
        "The network saw a hidden patch in 0 of 16 images.",
    ),
    "all pixels": (
        DRAWN + CLONE + ZERO + MSE.replace("self(patched)", "self(patched * 0)"),
        "The network saw a hidden patch in 0 of 16 images.",
    ),
    "in the first step only": (
        DRAWN
        + CLONE
        + ZERO
        + MSE.replace("self(patched)", "self(images if batch_idx else patched)"),
        "The network saw a hidden patch in 0 of 16 images.",
    ),
    "dimmed": (
        DRAWN + CLONE + FILL.format("*= 0.5") + MSE,
        "Replace the pixels of the patch, do not mix them.",
    ),
    "fixed place": (
        PLACE.format("10, 10") + CLONE + ZERO + MSE,
        "The hole is always in the same place. Draw a new place in each step.",
    ),
    "seeded in the step": (
        DRAWN.replace("    row", "    torch.manual_seed(0)\n    row")
        + CLONE
        + ZERO
        + MSE,
        "The hole is always in the same place.",
    ),
    "changes what backward needs": (
        DRAWN + CLONE + ZERO + "    out = self(patched)\n    patched.zero_()\n"
        "    return F.mse_loss(out, images.flatten(1))",
        "changed in place",
    ),
    "detached loss": (
        DRAWN + CLONE + ZERO + MSE.rstrip() + ".detach()",
        "The loss has no gradient for the weights. Return the loss undetached.",
    ),
    "nothing returned": (
        DRAWN + CLONE + ZERO + MSE.replace("return", "loss ="),
        "training_step returned NoneType instead of a loss",
    ),
}


@each_answer(
    "practice, source",
    {
        "12.1": {n: classifier(a) for n, a in RIGHT_12_1.items()}
        | {
            "by hand": classifier(MANUALLY, MANUAL),
            "two optimizers by hand": classifier(TWO_OPTIMIZERS, MANUAL),
            "its own network": OWN_NET,
        },
        "12.2": {n: classifier(*a) for n, a in RIGHT_12_2.items()},
        "12.3": {n: classifier(a) for n, a in RIGHT_12_3.items()},
        "12.4": {n: classifier(*a) for n, a in RIGHT_12_4.items()},
        "12.5": {n: denoiser(a) for n, a in RIGHT_12_5.items()},
    },
)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer(
    "practice, source, message",
    {
        "12.1": {n: (classifier(a), m) for n, (a, m) in WRONG_12_1.items()}
        | {
            "steps by hand, with old gradients": (
                classifier(MANUALLY_TOO_FAR, MANUAL),
                "The weights changed on a batch with nan pixels.",
            )
        },
        "12.2": {n: (classifier(*a), m) for n, (*a, m) in WRONG_12_2.items()},
        "12.3": {n: (classifier(a), m) for n, (a, m) in WRONG_12_3.items()},
        "12.4": {n: (classifier(*a), m) for n, (*a, m) in WRONG_12_4.items()},
        "12.5": {n: (denoiser(a), m) for n, (a, m) in WRONG_12_5.items()},
    },
)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)


NO_MODULE = """
class Own(L.LightningModule):
    def training_step(self, batch, batch_idx):
        return batch[0].mean().requires_grad_()
"""
UNCHECKED = {
    "12.4": {"has no forward": (OWN_NET, "forward(images)")},
    "12.5": {
        "its network is no module": (NO_MODULE, "call yours as self(images)"),
    },
}


@each_answer("practice, source, message", UNCHECKED)
def test_what_cannot_be_checked_is_said(practice, source, message):
    result = judged(practice, source)
    assert (result.status, message in result.message) == ("cannot be checked", True)


def test_12_4_the_exact_value_is_that_of_hand_arithmetic():
    log = "self.log('mean_label', batch[1].float().mean())"
    module = answer(classifier(f"def validation_step(self, batch, i):\n    {log}"))()
    images = torch.zeros(4, 1, 28, 28)
    first = [(images[:3], torch.tensor([0, 2, 4])), (images[:1], torch.tensor([10]))]
    epochs = [first, [(images[:1], torch.tensor([7]))]]

    def mean_label(_, labels):
        return labels.float().mean().item()

    found = list(
        reports_each_epoch(
            module, epochs, "mean_label", mean_label, {}, otherwise="Average."
        )
    )
    assert [finding.ok for finding in found] == [True, True]
    assert "is 4.000" in found[0].seen  # (0 + 2 + 4 + 10) / 4
    assert "is 7.000" in found[1].seen
    assert exact(pooled(epochs), mean_label) == pytest.approx(23 / 5)


def test_12_5_a_changed_label_shows_too():
    body = "    batch[1][0] = 7\n    return self(images).sum()"
    module = answer(denoiser(DRAWN + body))()
    assert not batch_untouched(module, (torch.rand(4, 1, 28, 28), torch.arange(4))).ok


def test_12_5_a_network_keeps_its_weights_when_it_is_examined():
    module = answer(denoiser(DRAWN + CLONE + ZERO + MSE))()
    before = [p.clone() for p in module.parameters()]
    hides_a_patch(module)
    assert all(map(torch.equal, before, module.parameters()))
