"""Answers to the exercises of lesson 07, right and wrong, and what each is told.

What the checks measure is also compared with hand arithmetic, on small networks.
"""

import textwrap

import lightning as L
import pytest
import torch
from learner import assert_correct, assert_incorrect, each_answer
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.applied_gradients import applied_gradients
from course_utils.exercises.lesson_07.accumulation import mean_gradient
from course_utils.exercises.lesson_07.memory_growth import growth_per_step
from course_utils.exercises.lesson_07.saved_for_backward import (
    cost_of_step,
    saved_for_backward,
)
from course_utils.measure import flat_weights

HEAD = "def cheaper_precision(net, images):\n"
SAVED = "with SavedTensors({0}) as {1}{2}:\n    {3}\n"
AUTO = ", torch.autocast('cpu', dtype=torch.bfloat16)"
OWN = "ignore=net.parameters()"


def function(*lines: str) -> str:
    return HEAD + textwrap.indent("".join(lines), "    ")


def both(ignore: str = OWN, run: str = "net(images)", what: str = "peak") -> str:
    return function(
        SAVED.format(ignore, "full", "", run),
        SAVED.format(ignore, "half", AUTO, run),
        f"return 'bf16-mixed' if half.{what} < full.{what} else '32-true'\n",
    )


RIGHT_7_1 = {
    "peaks": both(),
    "results kept alive": both(run="net.out = net(images)", what="live")
    .replace("net.out", "full.out", 1)
    .replace("net.out", "half.out"),
    "a loss": both(run="loss = net(images).float().square().mean()"),
    "by a Trainer": function(
        "from copy import deepcopy\n"
        "from course_utils.measure import TrainingMemory\n"
        "def cost(precision):\n"
        "    memory, model = TrainingMemory(), WideMLP()\n"
        "    model.net = deepcopy(net)\n"
        "    model.training_step = lambda b, batch_idx: model.net(b).float().sum()\n"
        "    loader = torch.utils.data.DataLoader(images, len(images))\n"
        "    L.Trainer(precision=precision, max_epochs=1, accelerator='cpu',\n"
        "        callbacks=[memory], logger=False, enable_checkpointing=False,\n"
        "        enable_progress_bar=False).fit(model, loader)\n"
        "    return memory.saved\n"
        "return min(['32-true', 'bf16-mixed'], key=cost)\n"
    ),
}
RIGHT_7_1 |= {
    "a partial": "import functools\n"
    + both()
    .replace("(net, images)", "(names, net, images)")
    .replace("'bf16-mixed' if", "names[1] if")
    .replace("else '32-true'", "else names[0]")
    .replace("cheaper_precision", "choose")
    + "\ncheaper = functools.partial(choose, ('32-true', 'bf16-mixed'))",
    "an object": both()
    .replace("(net, images)", "(self, net, images)", 1)
    .replace("def cheaper_precision", "class Cheaper:\n  def __call__")
    + "cheaper_precision = Cheaper()\n",
    "a copy of the network that learns": function(
        "import copy\n",
        "twin = copy.deepcopy(net).train()\n",
        SAVED.format("ignore=twin.parameters()", "full", "", "twin(images).sum()"),
        SAVED.format("ignore=twin.parameters()", "half", AUTO, "twin(images).sum()"),
        "return ('32-true', 'bf16-mixed')[half.peak < full.peak]\n",
    ),
}
WRONG_7_1 = {
    "many images, or convolutions": (
        function(
            "conv = any(isinstance(part, nn.Conv2d) for part in net.modules())\n"
            "return 'bf16-mixed' if conv or len(images) > 32 else '32-true'\n"
        ),
        "For a conv net of many channels and 1 image it returned 'bf16-mixed'",
    ),
    "many images alone": (
        function("return 'bf16-mixed' if len(images) > 32 else '32-true'\n"),
        "For a conv net and 4 images it returned '32-true'",
    ),
    "more images than a layer is wide": (
        function(
            "wide = max(p.shape[0] for p in net.parameters() if p.ndim == 2) "
            "if len(images) > 4 or len(net) == 6 else 0\n"
            "return 'bf16-mixed' if len(images) > min(wide, 60) else '32-true'\n"
        ),
        "For a wider MLP and 80 images it returned 'bf16-mixed'",
    ),
    "adds a layer": (
        function("net.append(nn.ReLU())\n", "return '32-true'\n"),
        "Your function changed the network: its layers",
    ),
    "leaves a hook": (
        function(
            "net[0].register_forward_hook(lambda *_: None)\n", "return '32-true'\n"
        ),
        "Your function changed the network: its hooks.",
    ),
    "trains a step": (
        function(
            "grads = torch.autograd.grad(net(images).sum(), list(net.parameters()))\n"
            "with torch.no_grad():\n"
            "    for p, g in zip(net.parameters(), grads): p -= g\n",
            "return '32-true'\n",
        ),
        "Your function changed the network: its weights.",
    ),
    "freezes it": (
        function("net.requires_grad_(False)\n", "return '32-true'\n"),
        "Your function changed the network: what it trains.",
    ),
    "weighs parameters against pixels": (
        function(
            "weights = sum(weight.numel() for weight in net.parameters())\n",
            "return '32-true' if weights > images.numel() else 'bf16-mixed'\n",
        ),
        "For an MLP with a large first layer and 64 images it returned '32-true'",
    ),
    "counts where nothing is saved": (
        both(run="torch.no_grad()(net)(images)"),
        "For a conv net and 4 images it returned '32-true'",
    ),
    "never half": (
        function("return '32-true'\n"),
        "For a conv net and 4 images it returned '32-true'; 32-true",
    ),
    "weights count as well": (both(ignore=""), "4 images it returned 'bf16-mixed'"),
    "weights count in one of the two": (
        both(ignore="").replace("SavedTensors()", f"SavedTensors({OWN})", 1),
        "For a conv net with layer normalization and 1 image it returned '32-true'",
    ),
    "asks when all is gone": (both(what="live"), "For a conv net and 4 images"),
    "more is better": (
        both().replace("half.peak <", "half.peak >"),
        "For a wide MLP and 4 images it returned 'bf16-mixed'",
    ),
    "looks at the kind of layer": (
        function(
            "conv = any(isinstance(part, nn.Conv2d) for part in net.modules())\n"
            "return 'bf16-mixed' if conv else '32-true'\n"
        ),
        "For a wide MLP and 512 images it returned '32-true'",
    ),
    "converts the network": (
        function("net.bfloat16()\n", "return '32-true'\n"),
        "changed the network: the type of its weights.",
    ),
    "leaves gradients": (
        function("net(images).sum().backward()\n", "return '32-true'\n"),
        "changed the network: its gradients.",
    ),
    "switches the mode": (
        function("net.eval()\n", "return '32-true'\n"),
        "changed the network: its training mode.",
    ),
    "another word": (
        function("return 'full'\n"),
        "For a wide MLP and 4 images it returned 'full'",
    ),
    "raises": (
        function("return net(images)['x']\n"),
        "cheaper_precision raised TypeError",
    ),
    "a class": ("class cheaper_precision:\n    pass\n", "Expected a function but got"),
}


def sub(base: str, *methods: str, init: str = "") -> str:
    """Return a class that extends ``base``."""
    lines = [f"class Answer({base}):"]
    if init:
        lines += ["    def __init__(self):", "        super().__init__()"]
        lines += [f"        {line}" for line in init.splitlines()]
    bodies = [textwrap.indent(textwrap.dedent(m).strip(), "    ") for m in methods]
    return "\n".join([*lines, *bodies])


STEP = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    loss = F.cross_entropy(self(images), labels)
    {}
"""
SIZE = "size = min(4, self.trainer.num_training_batches - batch_idx // 4 * 4)\n    "
MANUAL = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    self.manual_backward(F.cross_entropy(self(images), labels){0})
    self.n += 1
    if {1}:
        for p in self.parameters():
            p.grad /= {2}
        self.optimizers().step()
        self.optimizers().zero_grad()
        self.n = 0
"""
BY_HAND = "self.automatic_optimization = False\nself.n = 0"

RIGHT_7_2 = {
    "scales the loss": sub("ConvNet", STEP.format(SIZE + "return loss * 4 / size")),
    "a dict": sub("ConvNet", STEP.format(SIZE + "return {'loss': 4 * loss / size}")),
    "before the step": sub(
        "ConvNet",
        STEP.format("self.n += 1\n    return loss"),
        """
        def on_before_optimizer_step(self, optimizer):
            for p in self.parameters():
                p.grad *= 4 / self.n
            self.n = 0
        """,
        init="self.n = 0",
    ),
    "by hand": sub(
        "ConvNet",
        MANUAL.format("", "self.n == 4 or self.trainer.is_last_batch", "self.n"),
        init=BY_HAND,
    ),
}
RIGHT_7_2 |= {
    "by hand, two optimizers": sub(
        "ConvNet",
        MANUAL.format("", "self.n == 4 or self.trainer.is_last_batch", "self.n")
        .replace("self.optimizers().step()", "[o.step() for o in self.optimizers()]")
        .replace("self.optimizers().zero_grad()", "self.zero_grad()"),
        """
        def configure_optimizers(self):
            first, *others = self.parameters()
            return [torch.optim.SGD([first], 0.1), torch.optim.Adam(others)]
        """,
        init=BY_HAND,
    ),
    "by hand, the whole group at once": sub(
        "ConvNet",
        """
        def training_step(self, batch, batch_idx):
            self.kept = [*self.kept, batch]
            if len(self.kept) == 4 or self.trainer.is_last_batch:
                images, labels = map(torch.cat, zip(*self.kept))
                self.optimizers().zero_grad()
                self.manual_backward(F.cross_entropy(self(images), labels))
                self.optimizers().step()
                self.kept = []
        """,
        init="self.automatic_optimization = False\nself.kept = []",
    ),
    "a factor in backward": sub(
        "ConvNet",
        STEP.format("self.index = batch_idx\n    return loss"),
        """
        def backward(self, loss, *args, **kwargs):
            first = self.index // 4 * 4
            size = min(4, self.trainer.num_training_batches - first)
            super().backward(loss * 4 / size, *args, **kwargs)
        """,
    ),
    "an optimizer that divides": sub(
        "ConvNet",
        STEP.format("self.optimizer.n += 1\n    return 4 * loss"),
        """
        def configure_optimizers(self):
            class Divides(torch.optim.Adam):
                n = 0
                def step(self, closure=None):
                    loss = closure()
                    for p in self.param_groups[0]["params"]:
                        p.grad /= self.n
                    self.n = 0
                    super().step()
                    return loss
            self.optimizer = Divides(self.parameters())
            return self.optimizer
        """,
    ),
    "a base class between": sub("ConvNet", STEP.format(SIZE + "return loss * 4 / size"))
    + "\nclass Other(Answer):\n    def configure_optimizers(self):\n"
    "        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)\n",
}
WRONG_7_2 = {
    "counts on into the next epoch": (
        sub(
            "ConvNet",
            MANUAL.format("", "self.n % 4 == 0 or self.trainer.is_last_batch", "4")
            .replace("p.grad /= 4", "p.grad /= (self.n - 1) % 4 + 1")
            .replace("self.n = 0", "pass"),
            init=BY_HAND,
        ),
        "In 2 epochs of 6 batches",
    ),
    "a leftover of no batches": (
        sub(
            "ConvNet",
            STEP.format(
                "n = self.trainer.num_training_batches\n"
                "    size = n % 4 if batch_idx // 4 == (n - 1) // 4 else 4\n"
                "    return loss * 4 / size"
            ),
        ),
        "In 2 epochs of 8 batches, update 2 of 4 used a gradient that is not finite.",
    ),
    "knows groups up to eight": (
        sub(
            "ConvNet",
            STEP.format(
                "n = self.trainer.num_training_batches\n"
                "    size = n - 4 if batch_idx > 3 else min(n, 4)\n"
                "    return loss * 4 / size"
            ),
        ),
        "In 2 epochs of 9 batches, update 2 of 6 used 0.80 times",
    ),
    "what is left over by four": (
        sub(
            "ConvNet",
            STEP.format(
                "n = self.trainer.num_training_batches\n"
                "    return loss * 4 / (n % 4) if batch_idx >= n // 4 * 4 else loss"
            ).replace("return loss * 4 / (n % 4)", "return loss * 4 / max(n % 3, 1)"),
        ),
        "In 2 epochs of 6 batches, update 2 of 4 used 2.00 times",
    ),
    "the first epoch only": (
        sub(
            "ConvNet",
            STEP.format(SIZE + "return loss * (1 if self.current_epoch else 4 / size)"),
        ),
        "In 2 epochs of 6 batches, update 4 of 4 used 0.50 times",
    ),
    "scales the last batch only": (
        sub(
            "ConvNet",
            STEP.format(
                SIZE
                + "last = self.trainer.is_last_batch\n"
                + "    return loss * 4 / size if last else loss"
            ),
        ),
        "In 2 epochs of 6 batches, update 2 of 4 ",
    ),
    "zeroes before each batch": (
        sub(
            "ConvNet",
            MANUAL.format(
                "", "self.n == 4 or self.trainer.is_last_batch", "self.n"
            ).replace("    self.manual", "    self.zero_grad()\n    self.manual"),
            init=BY_HAND,
        ),
        "In 2 epochs of 6 batches, update 1 of 4 ",
    ),
    "only renamed": (
        sub("ConvNet", STEP.format("return loss")),
        "In 2 epochs of 6 batches, update 2 of 4 used 0.50 times the mean gradient",
    ),
    "logs a scaled loss": (
        sub(
            "ConvNet",
            STEP.format(SIZE + "self.log('l', loss * 4 / size)") + "    return loss",
        ),
        "update 2 of 4 used 0.50 times the mean gradient of its batches. Use the mean "
        "of its 2 batches; the Trainer divides each loss by 4.",
    ),
    "scales all groups": (
        sub("ConvNet", STEP.format("return loss * 2")),
        "update 1 of 4 used 2.00 times the mean gradient of its batches. Use the mean "
        "of its 4 batches; the Trainer divides",
    ),
    "knows six batches": (
        sub("ConvNet", STEP.format("return loss * (2 if batch_idx > 3 else 1)")),
        "In 2 epochs of 8 batches, update 2 of 4 used 2.00 times",
    ),
    "divides twice": (
        sub("ConvNet", STEP.format("return loss / 4")),
        "update 1 of 4 used 0.25 times",
    ),
    "after each backward": (
        sub(
            "ConvNet",
            STEP.format("return loss"),
            """
        def on_after_backward(self):
            for p in self.parameters():
                p.grad *= 2
        """,
        ),
        "In 2 epochs of 6 batches, update 1 of 4 used ",
    ),
    "by hand, forgets the rest": (
        sub("ConvNet", MANUAL.format("", "self.n == 4", "4"), init=BY_HAND),
        "6 batches made 3 updates instead of 4. Update after every 4 batches, and",
    ),
    "by hand, by four": (
        sub(
            "ConvNet",
            MANUAL.format("", "self.n == 4 or self.trainer.is_last_batch", "4"),
            init=BY_HAND,
        ),
        "update 2 of 4 used 0.50 times",
    ),
    "by hand, twice in a group": (
        sub("ConvNet", MANUAL.format("", "self.n == 2", "2"), init=BY_HAND),
        "6 batches made 6 updates instead of 4.",
    ),
    "by hand, never zeroes": (
        sub(
            "ConvNet",
            MANUAL.format(
                "", "self.n == 4 or self.trainer.is_last_batch", "self.n"
            ).replace("self.optimizers().zero_grad()", "pass"),
            init=BY_HAND,
        ),
        "In 2 epochs of 6 batches, update 2 of 4 ",
    ),
    "sums": (
        sub("ConvNet", STEP.format("return loss * len(images)")),
        "update 1 of 4 used 8.00 times",
    ),
    "climbs": (
        sub("ConvNet", STEP.format("return -loss")),
        "update 1 of 4 used -1.00 times",
    ),
    "statistics of a batch": (
        sub(
            "ConvNet",
            STEP.format(SIZE + "return loss * 4 / size"),
            init="self.net = nn.Sequential(nn.BatchNorm2d(1), self.net)",
        ),
        "In 2 epochs of 6 batches, update 1 of 4 ",
    ),
    "raises": (sub("ConvNet", STEP.format("return loss / None")), "raised TypeError"),
    "no module": ("class Answer:\n    pass", "Expected a LightningModule class"),
}


FORWARD = """
def forward(self, images):
    hidden = self.stem(images)
    {0}
    hidden = self.shrink(hidden)
    {1}
    return self.head(hidden)
"""
BLOCKS = "for block in self.small:\n        hidden = block(hidden)"
LARGE = "for block in self.large:\n        hidden = block(hidden)"
GROUPS = """for i in range(0, 9, {0}):
        group = nn.Sequential(*self.large[i : i + {0}])
        hidden = checkpoint(group, hidden, use_reentrant={1})"""
EACH = """for block in self.{0}:
        hidden = checkpoint(block, hidden, use_reentrant=False)"""
INSIDE = """
def three(self, i, hidden):
    for block in self.large[i : i + 3]:
        hidden = block(hidden)
    return hidden
"""


def stages(large: str, small: str = BLOCKS) -> str:
    return sub("TwoStages", FORWARD.format(large, small))


RIGHT_7_3 = {
    "by hand, two optimizers": sub(
        "TwoStages",
        FORWARD.format(GROUPS.format(3, False), BLOCKS),
        """
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            self.log("loss", loss * self.trainer.max_epochs)
            self.manual_backward(loss)
            [each.step() for each in self.optimizers()]
        """,
        """
        def configure_optimizers(self):
            first, *others = self.parameters()
            return [torch.optim.SGD([first], 0.1), torch.optim.Adam(others)]
        """,
        init="self.automatic_optimization = False",
    ),
    "groups made in __init__": sub(
        "TwoStages",
        """
        def forward(self, images):
            hidden = self.stem(images)
            for group in self.groups:
                hidden = checkpoint(group, hidden, use_reentrant=False)
            for block in (self.shrink, *self.small):
                hidden = block(hidden)
            return self.head(hidden)
        """,
        init="self.groups = nn.ModuleList(\n"
        "    nn.Sequential(*self.large[i : i + 3]) for i in (0, 3, 6))\n"
        "del self.large",
    ),
    "a module that recomputes": "class Again(nn.Sequential):\n"
    "    def forward(self, x):\n"
    "        return checkpoint(super().forward, x, use_reentrant=False)\n"
    + sub(
        "TwoStages",
        "def forward(self, images):\n    return self.all(images)",
        init="large = [Again(*self.large[i : i + 2]) for i in range(0, 8, 2)]\n"
        "self.all = nn.Sequential(\n"
        "    self.stem, *large, Again(self.large[8]), self.shrink, *self.small, "
        "self.head)",
    ),
    "segments of a sequence": stages(
        "from torch.utils.checkpoint import checkpoint_sequential\n    "
        "hidden = checkpoint_sequential(\n        nn.Sequential(*self.large), 3, "
        "hidden, use_reentrant=False)\n    "
    ),
    "threes": stages(GROUPS.format(3, False)),
    "twos": stages(GROUPS.format(2, False)),
    "twos, reentrant": stages(GROUPS.format(2, True)),
    "a method": sub(
        "TwoStages",
        INSIDE,
        FORWARD.format(
            "for i in (0, 3, 6):\n"
            "        hidden = checkpoint(self.three, i, hidden, use_reentrant=False)",
            BLOCKS,
        ),
    ),
    "in training only": stages(
        "if self.training:\n        "
        + GROUPS.format(3, False).replace("\n", "\n    ")
        + "\n    else:\n        "
        + LARGE.replace("\n", "\n    ")
    ),
}
WRONG_7_3 = {
    "only renamed": (
        stages(LARGE.replace("block", "layer")),
        "The step's peak is 100% of the plain one; 60% is allowed. Too much waits",
    ),
    "one group": (
        stages(GROUPS.format(9, False)),
        "is saved for backward, so the backward pass computes too much again at once",
    ),
    "each block": (stages(EACH.format("large")), "Too much waits for backward"),
    "the other stage": (
        stages(LARGE, EACH.format("small")),
        "60% is allowed. Too much waits for backward",
    ),
    "both stages": (
        stages(GROUPS.format(3, False), EACH.format("small")),
        "more operations; at most 10% is allowed. Keep the activations",
    ),
    "no gradient": (
        stages("with torch.no_grad():\n        " + LARGE.replace("\n", "\n    ")),
        "weight tensors get no gradient any more.",
    ),
    "keeps everything outside of the GPU": (
        stages(
            "with torch.autograd.graph.save_on_cpu():\n        "
            + LARGE.replace("\n", "\n    ")
        ),
        "60% is allowed.",
    ),
    "builds a smaller network": (
        sub(
            "TwoStages",
            FORWARD.format(GROUPS.format(3, False), BLOCKS),
            init="self.large = self.large[:6]",
        ),
        "6 of 30 weight tensors of TwoStages are gone or have other values. Keep all",
    ),
    "leaves blocks out": (
        stages("hidden = self.large[0](hidden)"),
        "weight tensors get no gradient any more.",
    ),
    "in bfloat16": (
        stages(
            "with torch.autocast('cpu', dtype=torch.bfloat16):\n        "
            + LARGE.replace("\n", "\n    ")
            + "\n    hidden = hidden.float()"
        ),
        "The gradients are not those of the plain step.",
    ),
    "recomputes in evaluation mode": (
        stages(
            "if not self.training:\n        "
            + GROUPS.format(3, False).replace("\n", "\n    ")
            + "\n    else:\n        "
            + LARGE.replace("\n", "\n    ")
        ),
        "The step's peak is 100% of the plain one",
    ),
    "a detached loss": (
        stages(LARGE) + "\n    def training_step(self, batch, batch_idx):"
        "\n        return super().training_step(batch, batch_idx).detach()",
        "the loss has no gradient",
    ),
    "raises": (stages("hidden = checkpoint(hidden)"), "Training raised TypeError"),
    "another network": (
        sub("ConvNet", "def other(self):\n    pass"),
        "There is no self.stem; extend TwoStages.",
    ),
    "asks the Trainer": (
        sub(
            "TwoStages",
            FORWARD.format(LARGE, BLOCKS),
            STEP.format("return loss * self.trainer.max_epochs"),
        ),
        "The step's peak is 100% of the plain one; 60% is allowed.",
    ),
    "leaves blocks out when it predicts": (
        stages(
            "if self.training:\n        "
            + GROUPS.format(3, False).replace("\n", "\n    ")
            + "\n    else:\n        hidden = self.large[0](hidden)"
        ),
        "In evaluation mode, the network returns different logits than before.",
    ),
    "other weights": (
        sub(
            "TwoStages",
            FORWARD.format(GROUPS.format(3, False), BLOCKS),
            init="nn.init.zeros_(self.head[1].bias)",
        ),
        "1 of 30 weight tensors of TwoStages are gone or have other values.",
    ),
    "half of the gradient": (
        stages(GROUPS.format(3, False))
        + "\n    def training_step(self, batch, batch_idx):"
        "\n        return super().training_step(batch, batch_idx) / 2",
        "The gradients are not those of the plain step.",
    ),
    "two groups": (
        stages(GROUPS.format(5, False)),
        "60% is allowed. Only ",
    ),
    "no loss": (
        stages(GROUPS.format(3, False)) + "\n    def training_step(self, *_):\n"
        "        pass",
        "Training made no update; return the loss.",
    ),
    "no module": ("class Answer:\n    pass", "Expected a LightningModule class"),
}


KEEP = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    losses = F.cross_entropy(self(images), labels, reduction="none")
    {}
    return losses.mean()
"""
LISTS = "self.worst, self.scores = [], []"


def keeps(worst: str, scores: str = "losses.max().item()") -> str:
    body = f"self.worst.append({worst})\n    self.scores.append({scores})"
    return sub("ConvNet", KEEP.format(body), init=LISTS)


RIGHT_7_4 = {
    "clone": keeps("images[losses.argmax()].clone()", "losses.max().detach()"),
    "index with a list": keeps("images[[losses.argmax().item()]][0]"),
    "a NumPy copy": keeps("images[losses.argmax()].numpy().copy()"),
    "a new tensor": keeps("torch.tensor(images[losses.argmax()].tolist())"),
    "topk": sub(
        "ConvNet",
        KEEP.format(
            "score, place = losses.topk(1)\n"
            "    self.worst += images.index_select(0, place).unbind()\n"
            "    self.scores += score.tolist()"
        ),
        init=LISTS,
    ),
}
RIGHT_7_4 |= {
    "one growing tensor": sub(
        "ConvNet",
        KEEP.format(
            "worst = images[losses.argmax()][None]\n"
            "    self.worst = torch.cat([*self.worst[:1], worst][-1:]) if not len("
            "self.worst) else torch.cat([self.worst, worst])\n"
            "    self.scores.append(float(losses.max()))"
        ),
        init=LISTS,
    ),
    "by hand, two optimizers": keeps("images[losses.argmax()].clone()")
    .replace("], []\n", "], []\n        self.automatic_optimization = False\n", 1)
    .replace(
        "return losses.mean()",
        "self.manual_backward(losses.mean())\n"
        "        [(o.step(), o.zero_grad()) for o in self.optimizers()]\n"
        "    def configure_optimizers(self):\n"
        "        a, *others = self.parameters()\n"
        "        return [torch.optim.SGD([a], 0.1), torch.optim.Adam(others)]",
    ),
    "in a hook": sub(
        "ConvNet",
        KEEP.format("self.last = losses.detach()"),
        """
        def on_train_batch_end(self, outputs, batch, batch_idx):
            worst = self.last.argmax()
            self.worst.append(batch[0][worst].clone())
            self.scores.append(self.last[worst].item())
        """,
        init=LISTS,
    ),
}
WRONG_7_4 = {
    "a part of a copy of the batch, in NumPy": (
        keeps("images.numpy().copy()[losses.argmax()]"),
        "The 10 images in worst keep ",
    ),
    "copies the batch, then takes a part": (
        keeps("images.clone()[losses.argmax()]"),
        "A part of a batch is a view, and keeps the whole batch: clone it.",
    ),
    "a list of all batches beside them": (
        keeps("images[losses.argmax()].clone()").replace(
            "self.scores.append",
            "self.all = [*getattr(self, 'all', []), images]\n"
            "        self.scores.append",
        ),
        "would do. Keep nothing else of a batch",
    ),
    "the last ten": (
        keeps("images[losses.argmax()].clone()")
        .replace("], []\n", "], []\n        self.n = 0\n", 1)
        .replace(
            "self.worst.append",
            "if len(self.worst) == 10: return losses.mean()\n        self.worst.append",
        )
        .replace("== 10", "== 9"),
        "After 10 batches, worst has 9 entries.",
    ),
    "ten at most": (
        keeps("images[losses.argmax()].clone()").replace(
            LISTS,
            "from collections import deque\n"
            "        self.worst, self.scores = deque(maxlen=10), deque(maxlen=10)",
        ),
        "After 13 batches, worst has 10 entries.",
    ),
    "flattened": (
        keeps("images[losses.argmax()].clone().flatten()"),
        "After 10 batches, worst has 10 entries, one of shape (784,); an image's is "
        "(1, 28, 28). Keep one image of each batch, in its own shape.",
    ),
    "a batch of one": (
        keeps("images[[losses.argmax().item()]]"),
        "one of shape (1, 1, 28, 28); an image's is (1, 28, 28).",
    ),
    "detached": (
        keeps("images[losses.argmax()].detach()", "losses.max().detach()"),
        "A part of a batch is a view, and keeps the whole batch: clone it.",
    ),
    "to the CPU, where it is": (
        keeps("images[losses.argmax()].cpu()"),
        "A part of a batch is a view",
    ),
    "contiguous, which it is": (
        keeps("images[losses.argmax()].contiguous()"),
        "A part of a batch is a view",
    ),
    "a NumPy view": (
        keeps("images[losses.argmax()].numpy()"),
        "A part of a batch is a view",
    ),
    "cleared at the end": (
        sub(
            "ConvNet",
            KEEP.format(
                "self.worst.append(images[losses.argmax()].clone())\n"
                "    self.scores.append(losses.max().item())"
            ),
            "def on_train_epoch_end(self):\n    self.worst.clear()",
            init=LISTS,
        ),
        "After 10 batches, worst has 0 entries.",
    ),
    "one more graph": (
        keeps(
            "images[losses.argmax()].clone()",
            "F.cross_entropy(self(images), labels, reduction='none').max()",
        ),
        "something still holds a graph, detach it.",
    ),
    "the whole batch": (
        keeps("images.clone()"),
        "After 10 batches, worst has 10 entries, one of shape (16, 1, 28, 28); an ",
    ),
    "the best": (
        keeps("images[losses.argmin()].clone()"),
        "not the images with the highest loss.",
    ),
    "only the last": (
        sub(
            "ConvNet",
            KEEP.format(
                "self.worst = [images[losses.argmax()].clone()]\n"
                "    self.scores = [losses.max().item()]"
            ),
            init=LISTS,
        ),
        "After 10 batches, worst has 1 entry.",
    ),
    "mean scores": (
        keeps("images[losses.argmax()].clone()", "losses.mean().item()"),
        "scores are not the highest loss of each batch.",
    ),
    "detaches the loss": (
        keeps("images[losses.argmax()].clone()").replace(
            "return losses.mean()", "return losses.mean().detach()"
        ),
        "the loss has no gradient, return it undetached",
    ),
    "drops the loss": (
        keeps("images[losses.argmax()].clone()").replace("return", "self.loss ="),
        "The weights stay as they are. Return a loss.",
    ),
    "raises": (keeps("images[9999]"), "raised IndexError"),
}


COUNT = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    {0}
    self.seen += len(images)
    self.brightness += (mean - self.brightness) * len(images) / self.seen
    return F.cross_entropy(self(images), labels)
"""
NUMBERS = "self.seen, self.brightness = 0, 0.0"
EXACT = "mean = images.float().mean().item()"
BUFFER = "self.register_buffer('{}', torch.zeros((){}))"
WHOLE = BUFFER.format("seen", ", dtype=torch.int64")
MEAN = BUFFER.format("brightness", "")

RIGHT_7_5 = {
    "numbers": sub("FineTuned", COUNT.format(EXACT), init=NUMBERS),
    "sums": sub(
        "FineTuned",
        """
        def training_step(self, batch, batch_idx):
            images, labels = batch
            self.seen += len(images)
            self.total += images.double().sum().item() / images[0].numel()
            return F.cross_entropy(self(images), labels)
        """,
        """
        @property
        def brightness(self):
            return self.total / self.seen
        """,
        init="self.seen, self.total = 0, 0.0",
    ),
    "a tensor that is no buffer": sub(
        "FineTuned",
        COUNT.format("mean = images.float().mean()"),
        init=f"{WHOLE}\nself.brightness = torch.zeros((), dtype=torch.float64)",
    ),
}
RIGHT_7_5 |= {
    "by hand, two optimizers": sub(
        "FineTuned",
        COUNT.format(EXACT).replace("return", "self.manual_backward(").rstrip()
        + ")\n    [(o.step(), o.zero_grad()) for o in self.optimizers()]",
        """
        def configure_optimizers(self):
            first, *others = self.parameters()
            return [torch.optim.SGD([first], 0.1), torch.optim.Adam(others)]
        """,
        init=NUMBERS + "\nself.automatic_optimization = False",
    ),
    "whole numbers of 1/256": sub(
        "FineTuned",
        """
        def on_train_batch_start(self, batch, batch_idx):
            self.seen += len(batch[0])
            self.total += (batch[0].double() * 256).round().long().sum()
            self.pixels += batch[0].numel()
        """,
        """
        @property
        def brightness(self):
            return self.total.item() / 256 / self.pixels.item()
        """,
        init=f"{WHOLE}\n"
        + WHOLE.replace("seen", "total")
        + "\n"
        + WHOLE.replace("seen", "pixels"),
    ),
    "NumPy": sub(
        "FineTuned",
        COUNT.format("mean = images.float().numpy().mean(dtype=np.float64)"),
        init="self.seen, self.brightness = np.int64(0), np.float64(0)",
    ),
}
WRONG_7_5 = {
    "four bytes while it trains": (
        sub(
            "FineTuned",
            "def on_train_start(self):\n    self.net.float()",
            "def forward(self, images):\n    return self.net(images.float())",
            "def on_train_end(self):\n    self.net.bfloat16()",
            COUNT.format(EXACT),
            init=NUMBERS,
        ),
        "The network's weights are torch.float32, not all bfloat16 any more.",
    ),
    "float16": (
        sub(
            "FineTuned",
            "def on_train_start(self):\n    self.net.half()",
            "def forward(self, images):\n    return self.net(images.half())",
            COUNT.format(EXACT),
            init=NUMBERS,
        ),
        "The network's weights are torch.float16, not all bfloat16 any more.",
    ),
    "the last batch only": (
        sub(
            "FineTuned",
            COUNT.format(EXACT).replace("self.seen += len(images)", "self.seen = 600"),
            init=NUMBERS,
        ),
        "brightness is ",
    ),
    "rounds each mean": (
        sub(
            "FineTuned",
            COUNT.format("mean = round(images.float().mean().item(), 2)"),
            init=NUMBERS,
        ),
        "brightness is ",
    ),
    "counts batches": (
        sub(
            "FineTuned",
            COUNT.format(EXACT)
            .replace("+= len(images)", "+= 1")
            .replace("* len(images) /", "/"),
            init=NUMBERS,
        ),
        "After 600 images, seen is 24 (int). Count every image, in a type that counts",
    ),
    "a metric that follows the default type": (
        sub(
            "FineTuned",
            """
        def training_step(self, batch, batch_idx):
            images, labels = batch
            self.seen += len(images)
            self.mean.update(images.double().mean().item(), len(images))
            return F.cross_entropy(self(images), labels)
        """,
            """
        @property
        def brightness(self):
            return self.mean.compute()
        """,
            init=f"{WHOLE}\nself.mean = torchmetrics.MeanMetric()",
        ),
        "brightness is ",
    ),
    "the mean of a batch in two bytes": (
        sub("FineTuned", COUNT.format("mean = images.mean().item()"), init=NUMBERS),
        "Compute and keep it in a type with more digits",
    ),
    "each batch counts the same": (
        sub(
            "FineTuned",
            COUNT.format(EXACT).replace(
                "* len(images) / self.seen", "/ (batch_idx + 1)"
            ),
            init=NUMBERS,
        ),
        "It is the mean of the batches' means: let each image count the same.",
    ),
    "the first batch's size": (
        sub(
            "FineTuned",
            COUNT.format(EXACT).replace("self.seen += len(images)", "self.seen += 33"),
            init=NUMBERS,
        ),
        "After 600 images, seen is 792 (int).",
    ),
    "only renamed": (
        sub(
            "FineTuned",
            COUNT.format("mean = images.mean()"),
            init=f"{BUFFER.format('seen', '')}\n{MEAN}",
        ),
        "After 600 images, seen is ",
    ),
    "buffers of float32": (
        sub(
            "FineTuned",
            COUNT.format(EXACT),
            init=BUFFER.format("seen", ", dtype=torch.float32") + f"\n{MEAN}",
        ),
        "(torch.bfloat16). Count every image, in a type that counts exactly",
    ),
    "buffers of float64": (
        sub(
            "FineTuned",
            COUNT.format(EXACT),
            init=BUFFER.format("seen", ", dtype=torch.float64") + f"\n{MEAN}",
        ),
        "After 600 images, seen is ",
    ),
    "only the counter": (
        sub("FineTuned", COUNT.format("mean = images.mean()"), init=f"{WHOLE}\n{MEAN}"),
        "Compute and keep it in a type with more digits",
    ),
    "the whole network in four bytes": (
        sub(
            "FineTuned",
            "def on_train_start(self):\n    self.float()",
            COUNT.format("mean = images.float().mean()"),
            init=f"{BUFFER.format('seen', '')}\n{MEAN}",
        ),
        "The network's weights are torch.float32, not all bfloat16 any more.",
    ),
    "drops the loss": (
        sub(
            "FineTuned",
            COUNT.format(EXACT).replace("return", "self.loss ="),
            init=NUMBERS,
        ),
        "No update uses a gradient. Return the loss.",
    ),
    "without a counter": (
        sub("FineTuned", STEP.format("return loss")),
        "Reading seen and brightness raised AttributeError",
    ),
    "raises": (
        sub("FineTuned", COUNT.format("mean = images.nothing()"), init=NUMBERS),
        "Training raised AttributeError",
    ),
}


@each_answer(
    "practice, source",
    {
        "7.1": RIGHT_7_1,
        "7.2": RIGHT_7_2,
        "7.3": RIGHT_7_3,
        "7.4": RIGHT_7_4,
        "7.5": RIGHT_7_5,
    },
)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer(
    "practice, source, message",
    {
        "7.1": WRONG_7_1,
        "7.2": WRONG_7_2,
        "7.3": WRONG_7_3,
        "7.4": WRONG_7_4,
        "7.5": WRONG_7_5,
    },
)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)


class Linear(L.LightningModule):
    """One layer, and what ``keep(module, images, losses)`` returns, once per step."""

    def __init__(self, keep=None):
        super().__init__()
        self.keep, self.kept = keep, []
        self.net = nn.Sequential(nn.Linear(100, 500), nn.ReLU(), nn.Linear(500, 3))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        losses = F.cross_entropy(self(images), labels, reduction="none")
        if self.keep:
            self.kept.append(self.keep(self, images, losses))
        return losses.mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_7_2_the_mean_gradient_is_that_of_hand_arithmetic():
    module = Linear()
    module.net = nn.Linear(5, 3)
    images, labels = torch.rand(12, 5), torch.arange(12) % 3
    errors = module(images).softmax(1) - F.one_hot(labels, 3)
    truth = torch.cat([(errors.T @ images / 12).flatten(), errors.mean(0)])
    batches = list(zip(images.split(4), labels.split(4), strict=True))
    assert torch.allclose(mean_gradient(module, batches), truth, atol=1e-6)
    [used] = applied_gradients(module, batches, accumulate_grad_batches=3)
    assert torch.allclose(used.gradient, truth, atol=1e-6)


def test_7_3_a_measured_step_leaves_no_gradients():
    module = Linear()
    before = flat_weights(module)
    batch = torch.rand(4, 100), torch.zeros(4).long()
    cost = cost_of_step(module, batch, list(module.parameters()))
    assert all(p.grad is None for p in module.parameters())
    assert torch.equal(flat_weights(module), before)
    # Of 4 images: the products of two layers forwards, and three backwards.
    assert cost.flops == 2 * 4 * (2 * 100 * 500 + 3 * 500 * 3)


@pytest.mark.parametrize(("requires_grad", "copied"), [(True, 8 + 16), (False, 8)])
def test_7_1_a_linear_layer_saves_its_input_or_copies_of_input_and_weight(
    requires_grad, copied
):
    layer = nn.Linear(32, 16)
    images = torch.rand(8, 32, requires_grad=requires_grad)
    assert saved_for_backward(layer, images, "32-true") == 8 * 32 * 4
    # Without a gradient for the input no weight is needed, and none is copied.
    assert saved_for_backward(layer, images, "bf16-mixed") == copied * 32 * 2


IMAGE = 100 * 4  # bytes


def keep_the_last(module, images, losses):
    module.kept.clear()
    return images


KEPT = {  # what is kept: fewest and most bytes per step, with room for small change
    "nothing": (lambda m, x, y: None, 0, 300),
    "a number": (lambda m, x, y: y.max().item(), 0, 300),
    "a clone": (lambda m, x, y: x[0].clone(), IMAGE, IMAGE + 300),
    "the last only": (keep_the_last, 0, 300),
    "a view": (lambda m, x, y: x[0], 8 * IMAGE, 8 * IMAGE + 400),
    "a detached view": (lambda m, x, y: x[:1].detach(), 8 * IMAGE, 8 * IMAGE + 400),
    "the batch": (lambda m, x, y: x, 8 * IMAGE, 8 * IMAGE + 400),
    "the loss": (lambda m, x, y: y.mean(), 0, 600),
    "the loss, detached": (lambda m, x, y: y.mean().detach(), 0, 600),
    "one more graph": (lambda m, x, y: m.net(x).sum(), 8 * 500 * 4, 8 * 900 * 4),
    "its value": (lambda m, x, y: m.net(x).sum().detach(), 0, 300),
    "its value, twice": (lambda m, x, y: m.net(x).sum().item(), 0, 300),
}


@pytest.mark.parametrize(("keep", "fewest", "most"), KEPT.values(), ids=KEPT)
def test_7_4_a_step_leaves_the_bytes_that_it_keeps(keep, fewest, most):
    data = TensorDataset(torch.rand(80, 100), torch.zeros(80).long())
    loader = DataLoader(data, batch_size=8)
    assert fewest <= growth_per_step(Linear(keep), loader) <= most


def test_7_4_too_few_batches_are_refused():
    few = DataLoader(TensorDataset(torch.rand(16, 100)), batch_size=8)
    with pytest.raises(ValueError, match="at least 5 batches but got 2"):
        growth_per_step(Linear(), few)
