"""Answers to the exercises of lesson 08, right and wrong, and what each is told."""

import textwrap
from dataclasses import replace
from functools import partial

import lightning as L
import pytest
import torch
from learner import assert_correct, assert_incorrect, each_answer
from learner import classifier as any_classifier
from lightning.pytorch.callbacks import EarlyStopping
from torch import nn
from torch.nn import functional as F

from course_utils.checks.applied_gradients import Applied, applied_gradients, merged
from course_utils.exercises.lesson_08.clipping import Update, clips_by_norm
from course_utils.exercises.lesson_08.early_stopping import (
    ScriptedRun,
    best_checks,
    last_check,
    scripted_run,
    stops_in_time,
)
from course_utils.exercises.lesson_08.gradient_flow import gradient_norms
from course_utils.exercises.lesson_08.labels_reach_weights import labels_reach_weights

classifier = partial(any_classifier, base="ImageClassifier")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    """Run each test in an empty folder, which must be empty afterwards."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())


MANUAL = "self.automatic_optimization = False"
BACKWARD = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    optimizer = self.optimizers()
    loss = F.cross_entropy(self(images), labels) / 2
    self.manual_backward(loss)
"""
STEP = """
    if batch_idx % 2 == 1:
        {0}
        optimizer.step()
        optimizer.zero_grad()
"""
CLIP = "nn.utils.clip_grad_norm_(self.parameters(), 1.0)"
BY_HAND = """
        grads = [weight.grad for weight in self.parameters()]
        norm = torch.cat([grad.flatten() for grad in grads]).norm()
        for grad in grads:
            grad *= min(1.0, 1.0 / norm.item())
"""
BY_TENSOR = """
        for weight in self.parameters():
            nn.utils.clip_grad_norm_(weight, 1.0)
"""
TWO_OPTIMIZERS = """
def configure_optimizers(self):
    first, *others = self.parameters()
    return [torch.optim.SGD([first], lr=0.1), torch.optim.SGD(others, lr=0.1)]
def training_step(self, batch, batch_idx):
    images, labels = batch
    a, b = self.optimizers()
    self.manual_backward(F.cross_entropy(self(images), labels) / 2)
    if batch_idx % 2:
        {}
        a.step(); b.step(); a.zero_grad(); b.zero_grad()
"""

RIGHT_8_1 = {
    "clip_gradients": BACKWARD
    + STEP.format("self.clip_gradients(optimizer, 1.0, 'norm')"),
    "one factor by hand": BACKWARD + STEP.format(BY_HAND.strip()),
    "averaged after the sum": BACKWARD.replace(" / 2", "")
    + STEP.format("for weight in self.parameters(): weight.grad /= 2\n        " + CLIP),
    "a little below the limit": BACKWARD + STEP.format(CLIP).replace("1.0)", "0.95)"),
    "zeroes first, a hook clips": """
def training_step(self, batch, batch_idx):
    optimizer = self.optimizers()
    if batch_idx % 2 == 0:
        optimizer.zero_grad()
    self.manual_backward(0.5 * F.cross_entropy(self(batch[0]), batch[1]))
    if batch_idx % 2 == 1:
        optimizer.step()
def on_before_optimizer_step(self, optimizer):
    nn.utils.clip_grad_norm_(self.net.parameters(), max_norm=1)
""",
    "two optimizers, clipped together": TWO_OPTIMIZERS.format(CLIP),
    "two optimizers, each clips its own": TWO_OPTIMIZERS.format(
        "self.clip_gradients(a, 1.0, 'norm'); self.clip_gradients(b, 1.0, 'norm')"
    ),
    "keeps the first loss, one backward pass": """
def training_step(self, batch, batch_idx):
    loss = F.cross_entropy(self(batch[0]), batch[1])
    if batch_idx % 2 == 0:
        self.first = loss
        return
    optimizer = self.optimizers()
    optimizer.zero_grad()
    self.manual_backward((self.first + loss) / 2)
    nn.utils.clip_grad_norm_(self.parameters(), 1.0)
    optimizer.step()
""",
    "keeps the first batch, one forward pass": """
def training_step(self, batch, batch_idx):
    if batch_idx % 2 == 0:
        self.first = batch
        return
    images, labels = (torch.cat(pair) for pair in zip(self.first, batch))
    optimizer = self.optimizers()
    optimizer.zero_grad()
    self.manual_backward(F.cross_entropy(self(images), labels))
    self.clip_gradients(optimizer, 1.0, "norm")
    optimizer.step()
""",
    "automatic optimization of both losses": """
def __init__(self):
    super().__init__()
    self.automatic_optimization, self.first = True, None
def training_step(self, batch, batch_idx):
    loss = F.cross_entropy(self(batch[0]), batch[1])
    if batch_idx % 2 == 0:
        self.first = loss
        return None
    return self.first + loss
def configure_gradient_clipping(self, optimizer, *_, **__):
    self.clip_gradients(optimizer, 1.0, "norm")
""",
    "an optimizer that clips in its step": BACKWARD
    + STEP.format("pass")
    + """
def configure_optimizers(self):
    class ClippedSGD(torch.optim.SGD):
        def step(self, closure=None):
            nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)
            return super().step(closure)
    return ClippedSGD(self.parameters(), lr=0.3)
""",
    "in a hook after the step": """
def training_step(self, batch, batch_idx):
    self.manual_backward(F.cross_entropy(self(batch[0]), batch[1]) / 2)
def on_train_batch_end(self, outputs, batch, batch_idx):
    if batch_idx % 2:
        optimizer = self.optimizers()
        self.clip_gradients(optimizer, 1.0, "norm")
        optimizer.step()
        optimizer.zero_grad()
""",
    "in a closure": """
def on_train_epoch_start(self):
    self.kept = []
def training_step(self, batch, batch_idx):
    self.kept.append(batch)
    if len(self.kept) == 2:
        self.optimizers().step(closure=self.both)
        self.kept = []
def both(self):
    self.zero_grad()
    loss = sum(F.cross_entropy(self(x), y) for x, y in self.kept) / 2
    self.manual_backward(loss)
    nn.utils.clip_grad_norm_(self.parameters(), 1.0)
    return loss
""",
    "Adam, gradients from autograd.grad": """
def training_step(self, batch, batch_idx):
    params = list(self.parameters())
    loss = F.cross_entropy(self(batch[0]), batch[1])
    grads = torch.autograd.grad(loss, params)
    if batch_idx % 2 == 0:
        self.sums = grads
        return
    mean = [(a + b) / 2 for a, b in zip(self.sums, grads)]
    norm = sum(g.square().sum() for g in mean).sqrt()
    for p, g in zip(params, mean):
        p.grad = g * min(1.0, 1.0 / norm.item())
    self.optimizers().step()
def configure_optimizers(self):
    return torch.optim.Adam(self.parameters(), lr=1e-3)
""",
    "a counter of its own": BACKWARD.replace(
        "    images,", "    self.n = getattr(self, 'n', 0) + 1\n    images,", 1
    )
    + STEP.format(CLIP).replace("batch_idx % 2 == 1", "self.n == 2")
    + "        self.n = 0\n",
}
WRONG_8_1 = {
    "only renamed": (
        BACKWARD.replace("loss", "mean_loss")
        + "    nn.utils.clip_grad_value_(self.parameters(), 1.0)\n"
        + STEP.format("pass"),
        "has a norm of 122.0",
    ),
    "a small value": (
        BACKWARD + STEP.format("nn.utils.clip_grad_value_(self.parameters(), 0.003)"),
        "points in a different direction from the sum over its batches (cosine 0.5",
    ),
    "each tensor for itself": (
        BACKWARD + STEP.format(BY_TENSOR.strip()),
        "Clip the norm of all gradients together",
    ),
    "after each batch": (
        BACKWARD + f"    {CLIP}\n" + STEP.format("pass"),
        "points in a different direction",
    ),
    "before the backward pass": (
        BACKWARD.replace("    self.manual", f"    {CLIP}\n    self.manual")
        + STEP.format("pass"),
        "has a norm of",
    ),
    "a copy is clipped": (
        BACKWARD
        + STEP.format(
            "clipped = [w.grad.clone().clamp(-0.001, 0.001) for w in self.parameters()]"
        ),
        "has a norm of",
    ),
    "always of norm one": (
        BACKWARD
        + STEP.format(BY_HAND.strip()).replace("min(1.0, 1.0 / norm.item())", "1/norm"),
        "was given 1.000; it was short enough.",
    ),
    "each batch a step": (
        BACKWARD + f"    {CLIP}\n    optimizer.step()\n    optimizer.zero_grad()\n",
        "There are 12 updates in 12 batches.",
    ),
    "never clips, takes a small rate": (
        BACKWARD + STEP.format("self.lr = 1e-4"),
        "has a norm of",
    ),
    "never zeroes": (
        BACKWARD + STEP.format(CLIP).replace("        optimizer.zero_grad()\n", ""),
        "factor, and begin the next update with zero_grad.",
    ),
    "skips the first of the two": (
        BACKWARD.replace(
            "    images,", "    if batch_idx % 2 == 0: return\n    images,"
        )
        + STEP.format(CLIP),
        "points in a different direction from the sum over its batches (cosine 0.",
    ),
    "each loss again in halves": (
        BACKWARD.replace("/ 2", "/ 4") + STEP.format(CLIP),
        "was given 0.",
    ),
    "keeps the number of the first loss, not the loss": (
        """
def training_step(self, batch, batch_idx):
    loss = F.cross_entropy(self(batch[0]), batch[1]) / 2
    if batch_idx % 2 == 0:
        self.first = loss.item()
        return
    optimizer = self.optimizers()
    optimizer.zero_grad()
    self.manual_backward(self.first + loss)
    nn.utils.clip_grad_norm_(self.parameters(), 1.0)
    optimizer.step()
""",
        "points in a different direction from the sum over its batches (cosine 0.",
    ),
    "halves the first batch only": (
        BACKWARD.replace("/ 2", "/ (1 + (batch_idx + 1) % 2)") + STEP.format(CLIP),
        "Add up all its batches, each counted the same",
    ),
    "steps after the first of the two": (
        BACKWARD + STEP.format(CLIP).replace("== 1", "== 0"),
        "Update 1 comes after batch 1. Update after every 2 batches",
    ),
    "after every third batch": (
        BACKWARD + STEP.format(CLIP).replace("% 2 == 1", "% 3 == 2"),
        "There are 4 updates in 12 batches. Update after every 2",
    ),
    "each batch to one half, then the sum": (
        BACKWARD.replace(" / 2", "")
        + "    mine = [p.grad.clone() for p in self.parameters()]\n"
        + "    norm = torch.cat([g.flatten() for g in mine]).norm()\n"
        + "    optimizer.zero_grad()\n"
        + "    half = [g * min(.5, .5 / norm.item()) for g in mine]\n"
        + "    if batch_idx % 2 == 0:\n        self.half = half\n        return\n"
        + "    for p, a, b in zip(self.parameters(), self.half, half): p.grad = a + b\n"
        + "    optimizer.step()\n",
        "points in a different direction from the sum over its batches",
    ),
    "clips the weights, not the biases": (
        BACKWARD
        + STEP.format(CLIP).replace(
            "self.parameters()", "[p for p in self.parameters() if p.ndim > 1]"
        ),
        "has a norm of ",
    ),
    "clips after the step": (
        BACKWARD
        + STEP.format("pass").replace(
            "optimizer.step()\n", f"optimizer.step()\n        {CLIP}\n"
        ),
        "has a norm of ",
    ),
    "an optimizer for the head only": (
        BACKWARD
        + STEP.format(CLIP)
        + "def configure_optimizers(self):\n"
        + "    return torch.optim.SGD(self.net[-1].parameters(), lr=0.3)",
        "points in a different direction",
    ),
    "two optimizers, clipped tensor by tensor": (
        TWO_OPTIMIZERS.format(
            "[nn.utils.clip_grad_norm_(p, 1.0) for p in self.parameters()]"
        ),
        "has a norm of 1.",
    ),
    "two optimizers, one never steps": (
        TWO_OPTIMIZERS.format(CLIP).replace("b.step(); ", ""),
        "points in a different direction",
    ),
    "scales the images instead": (
        BACKWARD.replace("self(images)", "self(images / images.max())")
        + STEP.format("pass"),
        "The gradient of update 6 of 6 has a norm of 3.790",
    ),
    "a tenth of the limit": (
        BACKWARD + STEP.format(CLIP).replace("1.0)", "0.1)"),
        "was given 0.100; it was short enough.",
    ),
    "the largest entry's norm": (
        BACKWARD + STEP.format(CLIP).replace("1.0)", "1.0, float('inf'))"),
        "has a norm of 18.26",
    ),
    "forgets the first batch": (
        BACKWARD.replace(
            "    self.manual", "    optimizer.zero_grad()\n    self.manual"
        )
        + STEP.format(CLIP),
        "points in a different direction",
    ),
    "raises": (
        BACKWARD + STEP.format("nn.utils.clip_grad_norm(1.0)"),
        "Training raised",
    ),
}


CONFIGURE = """
def configure_optimizers(self):
    optimizer = torch.optim.SGD(self.parameters(), lr={lr}, momentum=0.9)
    updates = {updates}
    scheduler = torch.optim.lr_scheduler.{scheduler}
    return {returned}
"""
STEPS = "self.trainer.estimated_stepping_batches"
CYCLE = "OneCycleLR(optimizer, 0.1, int(updates), pct_start=0.25, cycle_momentum=False)"
BY_STEP = "[optimizer], [{'scheduler': scheduler, 'interval': 'step'}]"


def schedule(scheduler=CYCLE, updates=STEPS, returned=BY_STEP, lr=0.1):
    parts = {"scheduler": scheduler, "updates": updates, "returned": returned}
    return CONFIGURE.format(lr=lr, **parts)


SEQUENTIAL = """
def configure_optimizers(self):
    optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
    updates = self.trainer.estimated_stepping_batches
    rise = max(updates // 4, 1)
    lrs = torch.optim.lr_scheduler
    parts = [
        lrs.LinearLR(optimizer, 0.1, 1.0, rise),
        lrs.CosineAnnealingLR(optimizer, updates - rise),
    ]
    scheduler = lrs.SequentialLR(optimizer, parts, [rise])
    schedule = {"scheduler": scheduler, "interval": "step"}
    return {"optimizer": optimizer, "lr_scheduler": schedule}
"""
BY_HOOK = """
def on_before_optimizer_step(self, optimizer):
    i, n = self.trainer.global_step, self.trainer.estimated_stepping_batches
    factor = (i + 1) / (n / 4) if i + 1 <= n / 4 else (n - i) / (0.75 * n)
    optimizer.param_groups[0]["lr"] = 0.1 * min(factor, 1.0)
def configure_optimizers(self):
    return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
"""
LINES = (
    "LambdaLR(optimizer, lambda i: min(4 * i / updates, (updates - i) / updates / .75))"
)

BY_COUNTING = """
def configure_optimizers(self):
    self.sgd = torch.optim.SGD(self.parameters(), lr=0.0, momentum=0.9)
    return self.sgd
def on_train_start(self):
    trainer, self.done = self.trainer, 0
    group = trainer.accumulate_grad_batches
    self.total = trainer.max_epochs * -(-trainer.num_training_batches // group)
def on_before_zero_grad(self, optimizer):
    at, rise = self.done, self.total / 4
    rate = at / rise if at < rise else (self.total - at) / (self.total - rise)
    self.sgd.param_groups[0]["lr"] = 0.1 * rate
    self.done += 1
"""
PLATEAU = "min(1, 4 * (i + 1) / updates, 2 * (updates - i) / updates)"

RIGHT_8_2 = {
    "a quarter rounded down": schedule(
        "LambdaLR(optimizer, lambda i: min((i + 1) / (updates // 4), "
        "(updates - i) / (updates - updates // 4)))"
    ),
    "a plateau": schedule(f"LambdaLR(optimizer, lambda i: {PLATEAU})"),
    "one cycle along lines": schedule(
        CYCLE.replace("pct", "anneal_strategy='linear', pct")
    ),
    "its own function": schedule(LINES),
    "another rate to begin with": schedule(lr=3.0),
    "an exponential rise, then a power": schedule(
        "LambdaLR(optimizer, lambda i: .01 ** max(1 - 4 * i / updates, 0) "
        "* min((updates - i) / (.75 * updates), 1) ** 1.5)"
    ),
    "two parameter groups": schedule().replace(
        "self.parameters()",
        "[{'params': self.net[1].parameters()}, {'params': self.net[3].parameters()}]",
    ),
    "an SGD of its own, Nesterov": schedule()
    .replace("torch.optim.SGD(", "Own(")
    .replace("momentum=0.9", "momentum=0.9, nesterov=True")
    .replace(
        "    optimizer =", "    class Own(torch.optim.SGD): pass\n    optimizer =", 1
    ),
    "counts by hand when training starts": BY_COUNTING,
    "steps the scheduler itself": schedule(returned="optimizer").replace(
        "    return", "    self.schedule = scheduler\n    return"
    )
    + "def optimizer_step(self, *args, **kwargs):\n"
    + "    super().optimizer_step(*args, **kwargs)\n"
    + "    self.schedule.step()\n",
    "two schedulers in a row": SEQUENTIAL,
    "set in a hook": BY_HOOK,
}
WRONG_8_2 = {
    "only renamed": (
        schedule(
            "OneCycleLR(optimizer, 0.1, total_steps=300)",
            "'n'",
            "[optimizer], [scheduler]",
        ),
        "there are 2 rates in 24 updates. Change it with every update: a scheduler",
    ),
    "by epoch": (
        schedule(returned="{'optimizer': optimizer, 'lr_scheduler': scheduler}"),
        "a scheduler steps once per epoch unless",
    ),
    "three hundred steps": (
        schedule(updates="300"),
        "In 2 epochs the largest rate is 0.0",
    ),
    "batches, not updates": (
        schedule(updates="self.trainer.max_epochs * 12"),
        "In 3 epochs the last rate is 0.0250. Rise during the first quarter",
    ),
    "fits one run only": (
        schedule(updates="24"),
        "Training raised ValueError: Tried to",
    ),
    "twelve batches per epoch, in groups": (
        schedule(
            updates="12 * self.trainer.max_epochs "
            "/ self.trainer.accumulate_grad_batches"
        ),
        "In 3 epochs the last rate is 0.0250. Rise during the first quarter",
    ),
    "forgets the groups that are not full": (
        BY_COUNTING.replace("-(-trainer.num_", "(trainer.num_"),
        "In 4 epochs that accumulate 4 batches the last rate is -0.1000.",
    ),
    "the batches before they are known": (
        schedule(LINES, updates="self.trainer.num_training_batches * 2 // 1"),
        "In 2 epochs the largest rate is nan",
    ),
    "the number of epochs, stepped by update": (
        schedule(LINES, updates="self.trainer.max_epochs"),
        "In 2 epochs the ",
    ),
    "RMSprop with a momentum": (
        schedule().replace("SGD(", "RMSprop("),
        "In 2 epochs the optimizer is RMSprop. Train with SGD, momentum=0.9.",
    ),
    "a low rate, then all of it": (
        schedule(
            "LambdaLR(optimizer, lambda i: .1 if 4 * i < updates "
            "else (updates - i) / updates / .75)"
        ),
        "the rate does not rise once and fall once.",
    ),
    "half of the weights without a schedule": (
        schedule(
            LINES.replace("lambda i", "[lambda i").replace("75))", "75), lambda i: 1])")
        ).replace(
            "self.parameters()",
            "[{'params': self.net[1].parameters()}, "
            "{'params': self.net[3].parameters()}]",
        ),
        "In 2 epochs, for parameter group 2, the rate is 0.1000 in all 24 updates",
    ),
    "half of the weights without momentum": (
        schedule().replace(
            "self.parameters()",
            "[{'params': self.net[1].parameters()}, "
            "{'params': self.net[3].parameters(), 'momentum': 0.0}]",
        ),
        "for parameter group 2, the momentum is 0.000.",
    ),
    "cycles the momentum": (
        schedule(CYCLE.replace(", cycle_momentum=False", "")),
        "the momentum goes from 0.850 to 0.950. Keep it at 0.9: OneCycleLR changes",
    ),
    "default share": (
        schedule(CYCLE.replace("0.25", "0.5")),
        "the peak comes in update 12 of 24; it should come at 25 % of the way.",
    ),
    "the share that OneCycleLR has by default": (
        schedule(CYCLE.replace("pct_start=0.25, ", "")),
        "In 6 epochs the peak comes in update 18 of 60; it should come at 25 % of the",
    ),
    "starts at the peak": (
        schedule("CosineAnnealingLR(optimizer, updates)"),
        "the peak comes in update 1 of 24",
    ),
    "is at zero half-way": (
        schedule(
            "LambdaLR(optimizer, lambda i: min(4 * (i + 1) / updates, "
            "max(0.0, 2 - 4 * i / updates)))"
        ),
        "In 2 epochs the rate is zero in the last 12 of 24 updates. Let it reach zero "
        "at the end of the run, not before.",
    ),
    "never falls": (
        schedule("LinearLR(optimizer, 0.04, 1.0, updates // 4)"),
        "the last rate is 0.1000. Rise during the first quarter",
    ),
    "Adam instead": (
        schedule().replace("SGD(", "Adam(").replace(", momentum=0.9", ""),
        "In 2 epochs the optimizer is Adam. Train with SGD, momentum=0.9.",
    ),
    "no momentum": (
        schedule().replace(", momentum=0.9", ""),
        "the momentum is 0.000. Train with SGD and momentum=0.9.",
    ),
    "starts again and again": (
        schedule("CosineAnnealingWarmRestarts(optimizer, updates // 4)"),
        "the rate does not rise once and fall once.",
    ),
    "falls half-way": (
        schedule(
            "LambdaLR(optimizer, lambda i: min(4 * i / updates, 1 - .5 * i / updates))"
        ),
        "In 2 epochs the ",
    ),
    "hardly falls": (
        schedule(
            "LambdaLR(optimizer, lambda i: min(1, 4 * (i + 1) / updates) - i / 1e5)"
        ),
        "In 2 epochs the last rate is 0.1000",
    ),
    "starts high": (
        schedule(LINES.replace("min(4 * i", "min(.8 + .8 * i")),
        "the first rate is 0.0800. Begin far below",
    ),
    "a constant rate": (
        schedule("ConstantLR(optimizer, 1.0)"),
        "the rate is 0.1000 in all 24 updates. Change it",
    ),
    "too high": (
        schedule(CYCLE.replace("0.1,", "0.2,")),
        "the largest rate is 0.2000 instead of 0.1000. Rise",
    ),
    "returns no optimizer": (schedule(returned="None"), "there was no update"),
}


DEEP = """
self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU())
hidden = [nn.Sequential(nn.Linear(64, 64), {activation}) for _ in range(6)]
self.net = nn.Sequential(*hidden)
self.refine = nn.Linear(64, 64)
self.head = nn.Linear(64, 10)
{more}
"""
FORWARD = """
def forward(self, images):
    features = self.net(self.encoder(images){cut})
    return self.head({last})
def configure_optimizers(self):
    return torch.optim.Adam(self.parameters(), lr=1e-3)
"""


def deep(
    activation="nn.ReLU()", cut="", last="features + self.refine(features)", more=""
):
    init = DEEP.format(activation=activation, more=more)
    return classifier(FORWARD.format(cut=cut, last=last), textwrap.dedent(init))


RESIDUAL = FORWARD.replace(
    "features = self.net(self.encoder(images){cut})",
    "features = self.encoder(images)\n"
    "    for layer in self.net:\n        features = features + layer(features)",
).format(last="features + self.refine(features)")

MANUALLY = """
    def training_step(self, batch, batch_idx):
        self.optimizers().zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx))
        self.optimizers().step()
"""
RIGHT_8_3 = {
    "tanh": deep("nn.Tanh()"),
    "gelu": deep("nn.GELU()"),
    "batch normalization": deep("nn.BatchNorm1d(64), nn.ReLU()"),
    "refined alone": deep(last="self.refine(features)"),
    "sigmoids with a way around": classifier(
        RESIDUAL, DEEP.format(activation="nn.Sigmoid()", more="")
    ),
    "by hand": deep(more=MANUAL) + MANUALLY,
    "another activation in each layer": deep(
        "[nn.GELU(), nn.ELU(), nn.Hardtanh()][_ % 3]"
    ),
    "functional, in a loop": classifier(
        """
def forward(self, images):
    hidden = F.relu(self.encoder[1](images.flatten(1)))
    for layer in self.net:
        hidden = F.leaky_relu(layer[0](hidden))
    hidden = hidden + F.mish(self.refine(hidden))
    return self.head(hidden)
""",
        DEEP.format(activation="nn.Identity()", more=""),
    ),
    "activations before the layers, and ways around": classifier(
        """
def forward(self, images):
    hidden = self.encoder[:2](images)
    for layer in self.net:
        hidden = hidden + layer(hidden.relu())
    return self.head(hidden.relu() + self.refine(hidden.relu()))
""",
        DEEP.format(activation="nn.Identity()", more=""),
    ),
    "sigmoids four times as steep": deep("Steep()").replace(
        "class Answer",
        "class Steep(nn.Module):\n    def forward(self, x):\n"
        "        return torch.sigmoid(4 * x) * 2 - 1\nclass Answer",
        1,
    ),
    "one more layer, and dropout": deep(
        "nn.ReLU(), nn.Dropout(0.1)",
        more="layers = nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)\n"
        "self.head = nn.Sequential(*layers)",
    ),
    "rounded straight through": deep(
        last="features + (r := self.refine(features)) + (r.round() - r).detach()"
    ),
}
PENALTY = """
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss + 0.01 * sum(p.square().sum() for p in self.parameters())
"""
LONGER = """
    def on_before_optimizer_step(self, optimizer):
        for p in self.parameters():
            p.grad /= p.grad.norm()
"""
WRONG_8_3 = {
    "only renamed": (
        deep(
            "nn.Sigmoid()", ".detach()", "features + torch.round(self.refine(features))"
        ),
        "No gradient reaches encoder.1.weight, encoder.1.bias. Let the loss depend",
    ),
    "still detached": (deep(cut=".data"), "No gradient reaches encoder.1.weight"),
    "not used": (
        deep(last="features"),
        "No gradient reaches refine.weight, refine.bias.",
    ),
    "used, times zero": (
        deep(last="features + 0 * self.refine(features)"),
        "The gradient of refine.weight, refine.bias is zero.",
    ),
    "still rounded": (
        deep(last="features + self.refine(features).round()"),
        "The gradient of refine.weight, refine.bias is zero.",
    ),
    "still sigmoid": (
        deep("nn.Sigmoid()"),
        "times the strongest: net.0.0.weight, net.1.0.weight, net.2.0.weight and 1",
    ),
    "layers removed": (
        deep(more="self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU())"),
        "4 weight matrices are trained; there were 9. Keep all layers",
    ),
    "eleven digits": (
        deep(more="self.head = nn.Linear(64, 11)"),
        "forward returns the shape (128, 11). There are 10 digits: return one logit",
    ),
    "no activation": (
        deep("nn.Identity()"),
        "No activation follows net.0.0, net.1.0, net.2.0 and 3 more. Put one after",
    ),
    "a penalty gives each a gradient": (
        deep("nn.Sigmoid()", ".detach()", "features + self.refine(features).round()")
        + PENALTY,
        "and 2 more hardly depends on the labels. Let the error of the predictions",
    ),
    "each gradient made longer": (
        deep("nn.Sigmoid()") + LONGER,
        "hardly depends on the labels.",
    ),
    "a dropout is no activation": (
        deep("nn.Dropout()"),
        "No activation follows net.0.0, net.1.0, net.2.0 and 3 more.",
    ),
    "a normalization is no activation": (
        deep("nn.BatchNorm1d(64)"),
        "No activation follows net.0.0, net.1.0, net.2.0 and 3 more.",
    ),
    "a way around is no activation": (
        classifier(RESIDUAL, DEEP.format(activation="nn.Identity()", more="")),
        "No activation follows net.0.0, net.1.0, net.2.0 and 3 more.",
    ),
    "the first activation is gone": (
        deep(more="self.encoder = self.encoder[:2]"),
        "No activation follows encoder.1. Put one after each hidden layer",
    ),
    "scaled instead": (
        deep("Doubles()").replace(
            "class Answer",
            "class Doubles(nn.Module):\n    def forward(self, x):\n"
            "        return 2 * x + 1\nclass Answer",
            1,
        ),
        "No activation follows net.0.0, net.1.0, net.2.0 and 3 more.",
    ),
    "one layer for all": (
        deep(more="self.net = nn.Sequential(*[self.net[0]] * 6)"),
        "4 weight matrices are trained; there were 9. Keep all layers",
    ),
    "one of them without a way back": (
        deep().replace(
            "self.net(self.encoder(images))",
            "self.encoder(images)\n"
            "        for i, layer in enumerate(self.net):\n"
            "            features = layer(features.detach() if i == 3 else features)",
            1,
        ),
        "No gradient reaches net.0.0.weight, net.0.0.bias, net.1.0.weight and 5 more",
    ),
    "a step instead of round": (
        deep(last="features + (self.refine(features) > 0).float()"),
        "No gradient reaches refine.weight, refine.bias.",
    ),
    "a faint way back": (
        deep(cut=" * 1e-6 + 1"),
        "times the strongest: encoder.1.weight.",
    ),
    "frozen": (
        deep(more="self.encoder.requires_grad_(False)"),
        "8 weight matrices are trained",
    ),
    "the loss is dropped": (
        deep()
        + "\n    def training_step(self, batch, batch_idx):\n        return None",
        "No parameter gets a gradient.",
    ),
    "raises": (deep(last="self.refined"), "Training raised AttributeError"),
    "no class": ("def answer():\n    return 1", "Expected a LightningModule class"),
}


BOTH = """
def callbacks(folder):
    return {returned}
"""
STOP = "EarlyStopping('val_acc', patience=8, mode='max')"
KEEP = "ModelCheckpoint(folder, monitor='val_acc', mode='max')"


def returns(*made):
    return BOTH.format(returned=f"[{', '.join(made)}]")


OWN = """
def callbacks(folder):
    class Own(L.Callback):
        best, waited = -1.0, 0

        def on_validation_end(self, trainer, model):
            score = float(trainer.callback_metrics["val_acc"])
            self.waited += 1
            if score > self.best:
                self.best, self.waited = score, 0
                trainer.save_checkpoint(folder + "/best.ckpt")
            trainer.should_stop = self.waited >= 8

    return Own()
"""
RIGHT_8_4 = {
    "the other order, a tuple": BOTH.format(returned=f"({KEEP}, {STOP})"),
    "the best three": returns(STOP, KEEP.replace("mode", "save_top_k=3, mode")),
    "with the last beside it": returns(
        STOP, KEEP.replace("mode", "save_last=True, mode")
    ),
    "weights only": returns(STOP, KEEP.replace("mode", "save_weights_only=True, mode")),
    "a callback of one's own": OWN,
    "one that keeps a state dict, before the module's hook": OWN.replace(
        'trainer.save_checkpoint(folder + "/best.ckpt")',
        'torch.save({"weights": model.state_dict()}, folder + "/best.pt")',
    ).replace("on_validation_end", "on_validation_epoch_end"),
    "a high that comes again is as good": OWN.replace(
        "if score > self.best:",
        "if score == self.best: trainer.save_checkpoint(folder + '/best.ckpt')\n"
        "            if score > self.best:",
    ),
    "the newest beside it, first": returns(
        "ModelCheckpoint(folder, 'new')", STOP, KEEP
    ),
    "a partial": "import functools\n"
    "def make(folder, patience):\n"
    f"    return [{STOP.replace('8', 'patience')}, {KEEP}]\n"
    "callbacks = functools.partial(make, patience=8)\n",
    "a class that is a list": "class callbacks(list):\n"
    "    def __init__(self, folder):\n"
    f"        super().__init__([{STOP}, {KEEP}])\n",
    "an object": "class Make:\n"
    "    patience = 8\n"
    "    def __call__(self, folder):\n"
    f"        return [{KEEP}, {STOP.replace('8', 'self.patience')}]\n"
    "callbacks = Make()\n",
    "subclasses": "class Stop(EarlyStopping): pass\n"
    "class Keep(ModelCheckpoint): pass\n"
    "def callbacks(folder):\n"
    f"    return [{KEEP.replace('ModelCheckpoint', 'Keep')}, "
    f"{STOP.replace('EarlyStopping', 'Stop')}]\n",
}
WRONG_8_4 = {
    "only renamed": (
        "def callbacks(to):\n    return [EarlyStopping(monitor='val_acc', patience=2)]",
        'stop after 18. EarlyStopping has patience=2, mode="min". Stop after 2',
    ),
    "patience in epochs": (
        returns(STOP.replace("8", "2"), KEEP),
        'after 4; it should stop after 18. EarlyStopping has patience=2, mode="max"',
    ),
    "mode forgotten": (
        returns("EarlyStopping('val_acc', patience=8)", KEEP),
        "stopped after 9; it should stop after 18. EarlyStopping has patience=8, "
        'mode="min". Stop after 2 epochs without a new high, which are 8 checks',
    ),
    "no checkpoint": (returns(STOP), "No checkpoint is in the folder. EarlyStopping"),
    "keeps the worst": (
        returns(STOP, "ModelCheckpoint(folder, monitor='val_acc')"),
        "The weights kept are those of check 1; the best was check 10.",
    ),
    "keeps the last": (
        returns(STOP, "ModelCheckpoint(folder)"),
        "the best was check 10",
    ),
    "keeps elsewhere": (
        returns(STOP, KEEP.replace("folder", "folder + '-mine'")),
        "No checkpoint is in the folder.",
    ),
    "waits too long": (
        returns(STOP.replace("8", "30"), KEEP),
        "the run never stopped; it should stop after 18.",
    ),
    "a class in the list": (
        "def callbacks(folder):\n    return [EarlyStopping]",
        "Expected a list of callbacks but got list",
    ),
    "a word": (
        "def callbacks(folder):\n    return 'stop'",
        "Expected a list of callbacks but got str",
    ),
    "one check too many": (
        returns(STOP.replace("8", "9"), KEEP),
        "stopped after 19; it should stop after 18. EarlyStopping has patience=9",
    ),
    "at the end of an epoch": (
        returns(STOP.replace("8", "2, check_on_train_epoch_end=True"), KEEP),
        "stopped after 16; it should stop after 18. EarlyStopping has patience=2, "
        'mode="max". Stop after 2 epochs',
    ),
    "a small high does not count": (
        returns(STOP.replace("mode", "min_delta=0.05, mode"), KEEP),
        'EarlyStopping has patience=8, mode="max", min_delta=0.05. Stop after 2 epochs',
    ),
    "saves after the epoch, whose last check was lower": (
        returns(STOP, KEEP.replace("mode", "save_on_train_epoch_end=True, mode")),
        "The weights kept are those of check 8; the best was check 10.",
    ),
    "looks every second epoch": (
        returns(STOP, KEEP.replace("mode", "every_n_epochs=2, mode")),
        "The weights kept are those of check 8; the best was check 10.",
    ),
    "a tie counts": (
        returns(STOP.replace("mode", "min_delta=-0.001, mode"), KEEP),
        "stopped after 19; it should stop after 18. EarlyStopping has patience=8, "
        'mode="max", min_delta=-0.001.',
    ),
    "another metric": (
        returns("EarlyStopping('val_loss', patience=8)", KEEP),
        "Training raised RuntimeError: Early stopping conditioned on metric",
    ),
    "no callbacks": (
        "def callbacks(folder):\n    pass # later",
        "Expected a list of callbacks but got NoneType; return a list.",
    ),
    "raises": (
        "def callbacks(folder):\n    return [EarlyStopping(folder.name)]",
        "callbacks raised AttributeError",
    ),
    "saved while training, judged by the check before": (
        returns(STOP, KEEP.replace("mode", "every_n_train_steps=1, mode")),
        "The weights kept are from no check; the best was check 10. Keep the weights",
    ),
    "all files, and none is the best": (
        returns(STOP, "ModelCheckpoint(folder, save_top_k=-1)"),
        "Nothing says which of the 18 checkpoints is the best.",
    ),
    "whole epochs after that of the high": (
        OWN.replace("self.waited += 1", "self.waited = trainer.current_epoch - self.at")
        .replace("best, waited = -1.0, 0", "best, waited, at = -1.0, 0, 0")
        .replace("self.waited = score, 0", "self.at = score, trainer.current_epoch")
        .replace(">= 8", ">= 2"),
        "the run stopped after 9; it should stop after 18. Stop after 2 epochs",
    ),
    "eight batches": (
        OWN.replace("self.waited += 1", "self.waited = trainer.global_step - self.at")
        .replace("best, waited = -1.0, 0", "best, waited, at = -1.0, 0, 0")
        .replace("self.waited = score, 0", "self.at = score, trainer.global_step"),
        "the run stopped after 6; it should stop after 18.",
    ),
    "keeps what it began with": (
        OWN.replace("self.best, self.waited = score, 0", "self.waited = 0"),
        "it should stop after 18.",
    ),
    "the last that was not worse": (
        returns(STOP, "ModelCheckpoint(folder, monitor='step', mode='max')"),
        "The weights kept are those of check 18; the best was check 10.",
    ),
    "a class": (
        "class callbacks:\n    pass",
        "Expected a function but got type",
    ),
}


@each_answer(
    "practice, source",
    {
        "8.1": {n: classifier(a, MANUAL) for n, a in RIGHT_8_1.items()},
        "8.2": {n: classifier(a) for n, a in RIGHT_8_2.items()},
        "8.3": RIGHT_8_3,
        "8.4": RIGHT_8_4,
    },
)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer(
    "practice, source, message",
    {
        "8.1": {n: (classifier(a, MANUAL), m) for n, (a, m) in WRONG_8_1.items()},
        "8.2": {n: (classifier(a), m) for n, (a, m) in WRONG_8_2.items()},
        "8.3": WRONG_8_3,
        "8.4": WRONG_8_4,
    },
)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)


class Product(L.LightningModule):
    """Its gradient is the batch: the loss is the product of weight and batch."""

    def __init__(self, every=1, clip=False):
        super().__init__()
        self.automatic_optimization = False
        self.weight = nn.Parameter(torch.zeros(2))
        self.every, self.clip = every, clip

    def training_step(self, batch, batch_idx):
        self.manual_backward((self.weight * batch).sum())
        if (batch_idx + 1) % self.every == 0:
            if self.clip:
                nn.utils.clip_grad_norm_(self.weight, 1.0)
            self.optimizers().step()
            self.optimizers().zero_grad()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


LONG, SHORT = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.3, 0.4]])


def test_8_1_applied_gradients_are_those_of_hand_arithmetic():
    module = Product(clip=True)
    first, second = applied_gradients(module, [LONG, SHORT])
    assert torch.allclose(first.gradient, LONG[0] / 5)
    assert torch.allclose(second.gradient, SHORT[0])
    assert (first.batch, second.batch) == (1, 2)
    assert not module.weight.any()  # put back after each update


def test_8_1_a_sum_of_two_batches_is_one_update():
    (used,) = applied_gradients(Product(every=2), [LONG, SHORT])
    assert torch.allclose(used.gradient, (LONG + SHORT)[0])


def test_8_1_a_step_without_gradients_is_no_update():
    class Idle(Product):
        def training_step(self, batch, batch_idx):
            self.optimizers().step()

    assert applied_gradients(Idle(), [LONG]) == []


def test_8_1_steps_of_several_optimizers_are_one_update_of_all_weights():
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    left, right = torch.tensor([True, False]), torch.tensor([False, True])
    steps = [Applied(1, 7, first, left), Applied(1, 8, second, right)]
    (update,) = merged(steps)
    assert (update.gradient.tolist(), update.own.all()) == ([1.0, 2.0], True)
    assert len(merged([*steps, steps[0]])) == 2  # the same weights a second time
    assert len(merged([steps[0], replace(steps[1], batch=2)])) == 2


@pytest.mark.parametrize(("scale", "ok"), [(1, True), (2, True), (3, False)])
def test_8_1_the_sum_of_the_batches_is_as_good_as_the_mean(scale, ok):
    short = Update(scale * SHORT[0], SHORT[0], 2)
    *_, untouched = clips_by_norm([short], 2.0, batches=2, every=2)
    assert untouched.ok is ok


class Small(L.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.drop = nn.Dropout()

    def training_step(self, batch, batch_idx):
        features = self.drop(self.first(batch[0]).relu())
        return F.cross_entropy(self.head(features), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


INPUTS, LABELS = torch.randn(32, 8), torch.arange(32) % 3


def test_8_3_norms_are_those_of_a_plain_loop_and_leave_frozen_weights_out():
    module = Small()
    module.drop = nn.Identity()
    module.training_step((INPUTS, LABELS), 0).backward()
    norms = {
        n: p.grad.norm().item()
        for n, p in module.named_parameters()
        if p.grad is not None
    }
    assert gradient_norms(module, [(INPUTS, LABELS)]) == pytest.approx(norms)


def test_8_3_the_largest_norm_counts():
    batches = [(INPUTS, LABELS), (0 * INPUTS, LABELS)]  # no input, no gradient
    assert gradient_norms(Small(), batches)["first.weight"] > 0


def test_8_3_a_weight_that_ignores_the_labels_is_named():
    finding = labels_reach_weights(Small, INPUTS, LABELS, (LABELS + 1) % 3)
    assert finding.seen == "The gradient of frozen.weight hardly depends on the labels."


def test_8_3_two_runs_with_the_same_labels_are_the_same():
    # Dropout drops the same features, so nothing differs.
    assert labels_reach_weights(Small, INPUTS, LABELS, LABELS).ok is False


LOSSES = (5, 3, 4, 4, 2, 3, 3, 3, 3, 1)


def test_8_4_the_right_check_is_found_by_hand():
    assert last_check(LOSSES, 3, "min") == 8
    assert last_check(LOSSES, 2, "min") == 4
    assert last_check(LOSSES, 5, "min") == 10
    assert last_check(LOSSES, 3, "max") == 4
    assert best_checks(LOSSES, "min", checks=8) == [5]
    assert best_checks(LOSSES, "min", checks=3) == [2]
    assert best_checks((4, 4, 1), "max", checks=3) == [1, 2]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [1, 2, 3, 4, 5])
def test_8_4_early_stopping_stops_where_the_arithmetic_says(patience, mode):
    stop = EarlyStopping("loss", patience=patience, mode=mode)
    run = scripted_run(lambda folder: [stop], "loss", LOSSES)
    assert run == ScriptedRun(
        last_check(LOSSES, patience, mode),
        frozenset(),
        0,
        f' EarlyStopping has patience={patience}, mode="{mode}".',
    )


@pytest.mark.parametrize("mode", ["min", "max"])
def test_8_4_settings_are_read_not_guessed(mode):
    def make(folder):
        return [EarlyStopping("loss", patience=3, mode=mode, min_delta=0.5)]

    settings = scripted_run(make, "loss", LOSSES).settings
    assert settings == f' EarlyStopping has patience=3, mode="{mode}", min_delta=0.5.'


def test_8_4_a_lower_value_may_be_the_better_one():
    rising = tuple(range(1, 9))
    finding = stops_in_time(ScriptedRun(5, frozenset(), 0), rising, 3, "min", epochs=1)
    assert (
        finding.seen == "Of 8 checks, the run stopped after 5; it should stop after 4."
    )
    assert finding.remedy.endswith(
        "without a new low, which are 3 checks; the lower, the better."
    )
