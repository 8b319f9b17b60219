"""The checkers of lesson 02, held against answers that learners may give."""

import pytest
from learner import assert_correct, assert_incorrect, judged
from torch import nn

from course_utils.exercises.api import judge
from course_utils.exercises.lesson_02.exercises import EXERCISES


def classify(body, base="DigitClassifier"):
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return f"class C({base}):\n    def classify(self, images):\n{lines}\n"


def layer(body, init="self.amount = amount"):
    return (
        "class Noisy(nn.Module):\n"
        "    def __init__(self, amount):\n"
        "        super().__init__()\n"
        f"        {init}\n"
        "    def forward(self, images):\n"
        f"        {body}\n"
    )


def common(
    init,
    shares="self.counts / self.counts.sum()",
    count="self.counts += F.one_hot(labels, 10).sum(0)",
    window="self.window",
    more="",
):
    lines = "\n".join(f"        {line}" for line in init.splitlines())
    return f"""
class Common(DigitClassifier):
    def __init__(self):
        super().__init__()
{lines}

    def forward(self, images):
        shares = {shares}
        return super().forward(images * {window}) + shares.log()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        {count}
        return F.cross_entropy(self(images), labels)
{more}
"""


WINDOW = "\nw = torch.zeros(28, 28); w[2:26, 2:26] = 1\n"
UNSAVED_WINDOW = WINDOW + 'self.register_buffer("window", w, persistent=False)'
COUNTS = 'self.register_buffer("counts", torch.ones(10))'

HOOKS = """
    def on_save_checkpoint(self, checkpoint):
        checkpoint["counts"] = self.counts.cpu()

    def on_load_checkpoint(self, checkpoint):
        self.counts = checkpoint["counts"]
"""
EXTRA = """
    def get_extra_state(self):
        return {"counts": self.counts}

    def set_extra_state(self, state):
        self.counts = state["counts"]
"""
LATE = """
    def on_fit_start(self):
        self.register_buffer("counts", torch.ones(10, device=self.device))
"""
MODULE_OF_ITS_OWN = """
class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = nn.Buffer(torch.ones(10))

    def add(self, labels):
        self.seen = self.seen + F.one_hot(labels, 10).sum(0)
"""

RIGHT = {
    "2.1 from self.device": (
        "2.1",
        classify("return self(images.to(self.device)).argmax(1).cpu()"),
    ),
    "2.1 from a weight": (
        "2.1",
        classify(
            "where = next(self.parameters()).device\n"
            "with torch.inference_mode():\n"
            "    return self.net(images.to(where)).max(dim=1).indices.to('cpu')"
        ),
    ),
    "2.1 type_as, another base": (
        "2.1",
        "class Own(L.LightningModule):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.head = nn.Linear(784, 10)\n"
        "    def forward(self, x):\n"
        "        return self.head(x.flatten(1))\n"
        "    @torch.no_grad()\n"
        "    def classify(self, x):\n"
        "        return self(x.type_as(self.head.weight)).argmax(1).detach().cpu()\n",
    ),
    "2.2 device and dtype": (
        "2.2",
        layer(
            "return images + self.amount * torch.randn(images.shape, "
            "device=images.device, dtype=images.dtype)"
        ),
    ),
    "2.2 empty_like": (
        "2.2",
        layer("return torch.empty_like(images).normal_() * self.amount + images"),
    ),
    "2.2 new_empty, torch.add": (
        "2.2",
        layer(
            "return torch.add(images, images.new_empty(images.shape).normal_(), "
            "alpha=self.a)",
            "self.a = amount",
        ),
    ),
    "2.2 normal": (
        "2.2",
        layer("return torch.randn_like(images).mul_(self.amount).add_(images)"),
    ),
    "2.3 nn.Buffer": (
        "2.3",
        common(
            "self.counts = nn.Buffer(torch.ones(10))"
            + WINDOW
            + "self.window = nn.Buffer(w, persistent=False)"
        ),
    ),
    "2.3 new window in each step": (
        "2.3",
        common(
            COUNTS,
            window="F.pad(torch.ones(24, 24, device=images.device), (2, 2, 2, 2))",
        ),
    ),
    "2.3 frozen parameter": (
        "2.3",
        common(
            "self.counts = nn.Parameter(torch.ones(10), requires_grad=False)"
            + UNSAVED_WINDOW
        ),
    ),
    "2.3 checkpoint hooks": (
        "2.3",
        common(
            "self.counts = torch.ones(10)" + UNSAVED_WINDOW,
            shares="(self.counts / self.counts.sum()).to(self.device)",
            count="self.counts = self.counts.to(self.device) "
            "+ F.one_hot(labels, 10).sum(0)",
            more=HOOKS,
        ),
    ),
    "2.3 extra state": (
        "2.3",
        common(
            "self.counts = torch.ones(10)" + UNSAVED_WINDOW,
            shares="(self.counts / self.counts.sum()).to(self.device)",
            count="self.counts = self.counts.to(self.device) "
            "+ F.one_hot(labels, 10).sum(0)",
            more=EXTRA,
        ),
    ),
    "2.3 a module of its own": (
        "2.3",
        MODULE_OF_ITS_OWN
        + common(
            "self.counter = Counter()" + UNSAVED_WINDOW,
            shares="self.counter.seen / self.counter.seen.sum()",
            count="self.counter.add(labels)",
        ),
    ),
}

WRONG = {
    "2.1 only .cuda() deleted": (
        "2.1",
        classify("return self(images).argmax(1)"),
        "It fails on cuda:0",
    ),
    "2.1 the first GPU if any": (
        "2.1",
        classify(
            'where = "cuda:0" if torch.cuda.is_available() else "cpu"\n'
            "return self(images.to(where)).argmax(1).cpu()"
        ),
        "It fails on cuda:1",
    ),
    "2.1 a GPU if any": (
        "2.1",
        classify(
            'where = "cuda" if torch.cuda.is_available() else "cpu"\n'
            "return self(images.to(where)).argmax(1).cpu()"
        ),
        "It fails on the cpu of a machine with GPUs",
    ),
    "2.1 result left there": (
        "2.1",
        classify("return self(images.to(self.device)).argmax(1)"),
        "the classes come back on cuda:0. Move the result to the CPU.",
    ),
    "2.1 the module moved instead": (
        "2.1",
        classify("self.cpu()\nreturn self(images.cpu()).argmax(1)"),
        "classify moves the module. Move the images instead.",
    ),
    "2.1 logits returned": (
        "2.1",
        classify("return self(images.to(self.device)).cpu()"),
        "does not return the class with the largest logit",
    ),
    "2.1 a list returned": (
        "2.1",
        classify("return self(images.to(self.device)).argmax(1).tolist()"),
        "classify returned list; return a tensor of classes.",
    ),
    "2.1 a typing error": (
        "2.1",
        classify("return self(image.to(self.device)).argmax(1).cpu()"),
        "classify raised NameError",
    ),
    "2.2 moved to where the images are": (
        "2.2",
        layer(
            "return images + self.amount * "
            "torch.randn(images.shape, dtype=images.dtype).to(images.device)"
        ),
        "200704 bytes travel to the GPU. Create the noise where the images are",
    ),
    "2.2 type_as": (
        "2.2",
        layer(
            "return images + self.amount * torch.randn(images.shape).type_as(images)"
        ),
        "200704 bytes travel to the GPU",
    ),
    "2.2 self.device": (
        "2.2",
        layer("return images + torch.randn(images.shape, device=self.device)"),
        "no attribute 'device'",
    ),
    "2.2 no device": (
        "2.2",
        layer("return images + self.amount * torch.randn(images.shape)"),
        "It fails on cuda:0",
    ),
    "2.2 no dtype": (
        "2.2",
        layer(
            "return images + self.amount * "
            "torch.randn(images.shape, device=images.device)"
        ),
        "torch.bfloat16 come out as torch.float32",
    ),
    "2.2 always half": (
        "2.2",
        layer("return (images + self.amount * torch.randn_like(images)).bfloat16()"),
        "torch.float64 come out as torch.bfloat16",
    ),
    "2.2 drawn in __init__": (
        "2.2",
        layer(
            "return images + self.noise.to(images)",
            "self.noise = amount * torch.randn(1, 28, 28)",
        ),
        "Two calls add the same noise",
    ),
    "2.2 one noise for the batch": (
        "2.2",
        layer("return images + self.amount * torch.randn_like(images[:1])"),
        "All images of a batch get the same noise",
    ),
    "2.2 without amount": (
        "2.2",
        layer("return images + torch.randn_like(images)"),
        "Add amount times standard normal noise",
    ),
    "2.2 uniform": (
        "2.2",
        layer("return images + self.amount * torch.rand_like(images)"),
        "Add amount times standard normal noise",
    ),
    "2.2 in place": (
        "2.2",
        layer("return images.add_(torch.randn_like(images), alpha=self.amount)"),
        "changed the images it was given",
    ),
    "2.2 a result on the CPU": (
        "2.2",
        layer("return (images + self.amount * torch.randn_like(images)).cpu()"),
        "With images on cuda:0, the result is on cpu",
    ),
    "2.3 the window is saved": (
        "2.3",
        common(COUNTS + WINDOW + 'self.register_buffer("window", w)'),
        "let it move, but do not save it",
    ),
    "2.3 the window stays": (
        "2.3",
        common(COUNTS + WINDOW + "self.window = w"),
        "It fails on cuda:0",
    ),
    "2.3 nothing is saved": (
        "2.3",
        common(
            'self.register_buffer("counts", torch.ones(10), persistent=False)'
            + UNSAVED_WINDOW
        ),
        "predicts something else: counts did not come back",
    ),
    "2.3 moved in every step": (
        "2.3",
        common(
            "self.counts = torch.ones(10)" + UNSAVED_WINDOW,
            shares="(self.counts / self.counts.sum()).to(self.device)",
            count="self.counts = self.counts.to(self.device) "
            "+ F.one_hot(labels, 10).sum(0)",
        ),
        "counts did not come back. Register what was learned as a buffer.",
    ),
    "2.3 counts in a dict": (
        "2.3",
        common(
            "self.state = {'counts': torch.ones(10)}" + UNSAVED_WINDOW,
            shares="self.state['counts'] / self.state['counts'].sum()",
            count="self.state['counts'] += F.one_hot(labels, 10).sum(0)",
        ),
        "state['counts'] did not come back",
    ),
    "2.3 registered too late": (
        "2.3",
        common(UNSAVED_WINDOW, more=LATE),
        "no attribute 'counts'",
    ),
    "2.3 counts dropped": (
        "2.3",
        common(COUNTS + UNSAVED_WINDOW, shares="torch.ones(10) / 10"),
        "Keep counting the labels",
    ),
    "2.3 window dropped": (
        "2.3",
        common(COUNTS, window="1"),
        "Keep multiplying the images by the window",
    ),
    "2.3 a parameter that learns": (
        "2.3",
        common("self.counts = nn.Parameter(torch.ones(10))" + UNSAVED_WINDOW),
        "training_step raised RuntimeError",
    ),
}


def test_an_instance_instead_of_the_class_is_told():
    for exercise in EXERCISES:
        result = judge(exercise, nn.Linear(1, 1))
        assert result.status == "incorrect"
        assert "hand over the class itself" in result.message


def test_noise_drawn_by_numpy_cannot_be_checked_without_a_gpu():
    source = layer(
        "import numpy; n = numpy.random.randn(*images.shape); "
        "return images + self.amount * torch.as_tensor(n).to(images) "
        "+ 0 * images.cpu().numpy().sum()"
    )
    assert judged("2.2", source).status == "cannot be checked"


@pytest.mark.parametrize(("practice", "source"), RIGHT.values(), ids=RIGHT)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@pytest.mark.parametrize(("practice", "source", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
