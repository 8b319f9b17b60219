"""Answers to the exercises of lesson 07, right and wrong, and what each is told.

What the checks measure is also compared with hand arithmetic, on small networks.
"""

import textwrap

import lightning as L
import pytest
import torch
from learner import assert_correct, assert_incorrect, each_answer, judged
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.exercises.lesson_07.accumulation import (
    gradients_of_updates,
    mean_gradient,
)
from course_utils.exercises.lesson_07.memory_growth import growth_per_step
from course_utils.exercises.lesson_07.saved_for_backward import (
    cost_of_step,
    saved_for_backward,
)

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
WRONG_7_1 = {
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
WRONG_7_2 = {
    "only renamed": (
        sub("ConvNet", STEP.format("return loss")),
        "With 6 batches, update 2 of 2 used 0.50 times the mean gradient",
    ),
    "logs a scaled loss": (
        sub(
            "ConvNet",
            STEP.format(SIZE + "self.log('l', loss * 4 / size)") + "    return loss",
        ),
        "update 2 of 2 used 0.50 times the mean gradient of its batches. Divide",
    ),
    "scales all groups": (
        sub("ConvNet", STEP.format("return loss * 2")),
        "update 1 of 2 used 2.00 times the mean gradient of its batches. Leave full "
        "groups to the Trainer",
    ),
    "knows six batches": (
        sub("ConvNet", STEP.format("return loss * (2 if batch_idx > 3 else 1)")),
        "With 8 batches, update 2 of 2 used 2.00 times",
    ),
    "divides twice": (
        sub("ConvNet", STEP.format("return loss / 4")),
        "update 1 of 2 used 0.25 times",
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
        "With 6 batches, update 1 of 2 used ",
    ),
    "by hand, forgets the rest": (
        sub("ConvNet", MANUAL.format("", "self.n == 4", "4"), init=BY_HAND),
        "6 batches made 1 updates instead of 2. Update after every 4 batches, and",
    ),
    "by hand, by four": (
        sub(
            "ConvNet",
            MANUAL.format("", "self.n == 4 or self.trainer.is_last_batch", "4"),
            init=BY_HAND,
        ),
        "update 2 of 2 used 0.50 times",
    ),
    "by hand, twice in a group": (
        sub("ConvNet", MANUAL.format("", "self.n == 2", "2"), init=BY_HAND),
        "6 batches made 3 updates instead of 2.",
    ),
    "by hand, never zeroes": (
        sub(
            "ConvNet",
            MANUAL.format(
                "", "self.n == 4 or self.trainer.is_last_batch", "self.n"
            ).replace("self.optimizers().zero_grad()", "pass"),
            init=BY_HAND,
        ),
        "With 6 batches, update 2 of 2 ",
    ),
    "sums": (
        sub("ConvNet", STEP.format("return loss * len(images)")),
        "update 1 of 2 used 8.00 times",
    ),
    "climbs": (
        sub("ConvNet", STEP.format("return -loss")),
        "update 1 of 2 used -1.00 times",
    ),
    "statistics of a batch": (
        sub(
            "ConvNet",
            STEP.format(SIZE + "return loss * 4 / size"),
            init="self.net = nn.Sequential(nn.BatchNorm2d(1), self.net)",
        ),
        "With 6 batches, update 1 of 2 ",
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
        "The step's peak is 100% of the plain one; 60% is asked. Too much waits",
    ),
    "one group": (
        stages(GROUPS.format(9, False)),
        "is saved for backward, so the backward pass computes too much again at once",
    ),
    "each block": (stages(EACH.format("large")), "Too much waits for backward"),
    "the other stage": (
        stages(LARGE, EACH.format("small")),
        "60% is asked. Too much waits for backward",
    ),
    "both stages": (
        stages(GROUPS.format(3, False), EACH.format("small")),
        "more operations; at most 10% is asked. Keep the activations",
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
        "60% is asked.",
    ),
    "builds a smaller network": (
        sub(
            "TwoStages",
            FORWARD.format(GROUPS.format(3, False), BLOCKS),
            init="self.large = self.large[:6]",
        ),
        "The stages have 6 and 3 blocks; there were 9 and 3. Keep all layers",
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
    "raises": (stages("hidden = checkpoint(hidden)"), "training_step raised"),
    "no module": ("class Answer:\n    pass", "Expected a LightningModule class"),
}


UNCHECKED_7_3 = {
    "another network": (sub("ConvNet", "def other(self):\n    pass"), "self.stem"),
    "asks the Trainer": (
        sub(
            "TwoStages",
            FORWARD.format(LARGE, BLOCKS),
            STEP.format("return loss * self.trainer.max_epochs"),
        ),
        "Trainer",
    ),
}


@each_answer("practice, source, message", {"7.3": UNCHECKED_7_3})
def test_7_3_cannot_check_everything(practice, source, message):
    result = judged(practice, source)
    assert (result.status, message in result.message) == ("cannot be checked", True)


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
WRONG_7_4 = {
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
        "After 10 batches, worst has 10 entries, not the images with the highest loss.",
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
        "After 10 batches, worst has 1 entries.",
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
WRONG_7_5 = {
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
        "Compute and keep the mean in a type with more digits",
    ),
    "each batch counts the same": (
        sub(
            "FineTuned",
            COUNT.format(EXACT).replace(
                "* len(images) / self.seen", "/ (batch_idx + 1)"
            ),
            init=NUMBERS,
        ),
        "and let each image count the same.",
    ),
    "the first batch's size": (
        sub(
            "FineTuned",
            COUNT.format(EXACT).replace("self.seen += len(images)", "self.seen += 33"),
            init=NUMBERS,
        ),
        "After 600 images, seen is 792.",
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
        "A buffer of floats becomes bfloat16, too.",
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
        "Compute and keep the mean in a type with more digits",
    ),
    "the whole network in four bytes": (
        sub(
            "FineTuned",
            "def on_train_start(self):\n    self.float()",
            COUNT.format("mean = images.float().mean()"),
            init=f"{BUFFER.format('seen', '')}\n{MEAN}",
        ),
        "The network's weights are not all bfloat16 any more.",
    ),
    "drops the loss": (
        sub(
            "FineTuned",
            COUNT.format(EXACT).replace("return", "self.loss ="),
            init=NUMBERS,
        ),
        "The weights stay as they are. Return the loss.",
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


def test_7_2_the_mean_gradient_is_that_of_hand_arithmetic():
    module = Linear()
    module.net = nn.Linear(5, 3)
    images, labels = torch.rand(12, 5), torch.arange(12) % 3
    errors = module(images).softmax(1) - F.one_hot(labels, 3)
    truth = torch.cat([(errors.T @ images / 12).flatten(), errors.mean(0)])
    batches = list(zip(images.split(4), labels.split(4), strict=True))
    assert torch.allclose(mean_gradient(module, batches), truth, atol=1e-6)
    [used] = gradients_of_updates(module, batches, 3)
    assert torch.allclose(used, truth, atol=1e-6)


def test_7_3_a_measured_step_leaves_no_gradients():
    module = Linear()
    cost_of_step(module, (torch.rand(4, 100), torch.zeros(4).long()))
    assert all(p.grad is None for p in module.parameters())


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
