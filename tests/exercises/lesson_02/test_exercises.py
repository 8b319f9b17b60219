"""The checkers of lesson 02, held against answers that learners may give."""

import pytest
from learner import assert_correct, assert_incorrect
from torch import nn

from course_utils.exercises.api import judge
from course_utils.exercises.lesson_02.exercises import EXERCISES


def classify(body, base="ImageClassifier"):
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return f"class C({base}):\n    def classify(self, images):\n{lines}\n"


FLOATS = "images = images if images.is_floating_point() else images.float()"


def layer(body, init="self.amount = amount", floats=FLOATS):
    return (
        "class Noisy(nn.Module):\n"
        "    def __init__(self, amount):\n"
        "        super().__init__()\n"
        f"        {init}\n"
        "    def forward(self, images):\n"
        f"        {floats}\n"
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
class Common(ImageClassifier):
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
    "2.2 a dtype that is chosen": (
        "2.2",
        layer(
            "dtype = torch.promote_types(images.dtype, torch.float32) if images.dtype "
            "== torch.uint8 else images.dtype; return torch.randn(images.shape, "
            "dtype=dtype, device=images.device) * self.amount + images",
            floats="",
        ),
    ),
    "2.2 randn_like with a dtype": (
        "2.2",
        layer(
            "dtype = images.dtype if images.is_floating_point() else torch.float32; "
            "return images + self.amount * torch.randn_like(images, dtype=dtype)",
            floats="",
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

RIGHT |= {
    "2.1 through a list": (
        "2.1",
        classify(
            "return torch.tensor(self(images.to(self.device)).argmax(1).tolist())"
        ),
    ),
    "2.1 through NumPy": (
        "2.1",
        classify(
            "logits = self(images.to(self.device)).detach().cpu().numpy()\n"
            "return torch.from_numpy(logits.argmax(1))"
        ),
    ),
    "2.1 image by image": (
        "2.1",
        classify(
            "logits = [self(each[None].to(self.device)) for each in images]\n"
            "return torch.tensor([int(each.argmax()) for each in logits])"
        ),
    ),
    "2.1 with a copy on the CPU": (
        "2.1",
        classify("return copy.deepcopy(self).cpu()(images).topk(1).indices[:, 0]"),
    ),
    "2.1 functional, a base class between": (
        "2.1",
        "class Between(ImageClassifier):\n"
        "    def weights_here(self):\n"
        "        return {n: p.detach().cpu() for n, p in self.state_dict().items()}\n"
        + classify(
            "call = functools.partial(torch.func.functional_call, self)\n"
            "return call(self.weights_here(), (images,)).max(1)[1]",
            "Between",
        ),
    ),
    "2.2 a buffer, a generator of the default": (
        "2.2",
        layer(
            "return images + (self.a * torch.randn_like(images)).to(images.dtype)",
            "self.register_buffer('a', torch.tensor(float(amount)))",
        ),
    ),
    "2.2 normal with a tensor of means": (
        "2.2",
        layer("return torch.normal(images, self.amount)"),
    ),
    "2.2 asks the values of the images": (
        "2.2",
        layer(
            "noise = self.amount * torch.randn_like(images); "
            "return images + (noise if images.sum() > -1e9 else 2 * noise)"
        ),
    ),
    "2.2 a lambda in another module": (
        "2.2",
        "class Draws(nn.Module):\n"
        "    def forward(self, like):\n"
        "        return like.new_empty(like.size()).normal_()\n"
        + layer(
            "return self.add(images)",
            "self.draws = Draws(); self.add = lambda x: x + amount * self.draws(x)",
        ),
    ),
    "2.3 counted in a hook": (
        "2.3",
        common(
            COUNTS + UNSAVED_WINDOW,
            count="",
            more="""
    def on_train_batch_start(self, batch, batch_idx):
        self.counts.add_(batch[1].bincount(minlength=10))
""",
        ),
    ),
    "2.3 manual optimization, images cropped": (
        "2.3",
        common(
            COUNTS,
            window="F.pad(images.new_ones(24, 24), [2] * 4)",
            more="""
    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.counts += F.one_hot(batch[1], 10).sum(0)
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.manual_backward(loss)
        optimizer.step()
""",
        ),
    ),
}
RIGHT |= {
    "2.3 log-probabilities": (
        "2.3",
        common(
            COUNTS + UNSAVED_WINDOW,
            more="""
    def forward(self, images):
        shares = self.counts / self.counts.sum()
        logits = self.net(images * self.window) + shares.log()
        return logits.log_softmax(1)
""",
        ),
    ),
    "2.3 cropped and padded": (
        "2.3",
        common(
            COUNTS,
            more="""
    def forward(self, images):
        seen = F.pad(images[..., 2:26, 2:26], [2] * 4)
        return self.net(seen) + self.counts.log() - self.counts.sum().log()
""",
        ),
    ),
    "2.3 a smaller network": (
        "2.3",
        common(
            COUNTS + "\nself.net = nn.Sequential(nn.Flatten(), nn.Linear(576, 10))",
            more="""
    def forward(self, images):
        shares = self.counts / self.counts.sum()
        return self.net(images[..., 2:26, 2:26]) + shares.log()
""",
        ),
    ),
}
ALL_COUNTS = """
class Kept:
    counts = torch.ones(10)
"""

WRONG = {
    "2.1 the current GPU": (
        "2.1",
        classify(
            'where = "cuda" if self.device.type == "cuda" else "cpu"\n'
            "return self(images.to(where)).argmax(1).cpu()"
        ),
        "It fails on cuda:1",
    ),
    "2.1 squeezed": (
        "2.1",
        classify("return self(images.to(self.device)).argmax(1).squeeze().cpu()"),
        "For 1 images classify returns the shape (). Return one class per image.",
    ),
    "2.1 the least likely class": (
        "2.1",
        classify("return self(images.to(self.device)).argmin(1).cpu()"),
        "classify does not return the class with the largest logit. Return the number",
    ),
    "2.1 the result moved to the first GPU": (
        "2.1",
        classify(
            "classes = self(images.to(self.device)).argmax(1)\n"
            "return classes.to('cuda:0') if torch.cuda.is_available() else classes"
        ),
        "the classes come back on cuda:0. Move the result to the CPU.",
    ),
    "2.2 bytes that randn_like refuses": (
        "2.2",
        layer("return images + self.amount * torch.randn_like(images)", floats=""),
        "forward, given images of uint8, raised NotImplementedError",
    ),
    "2.2 bytes that come out as bytes": (
        "2.2",
        layer(
            "noise = torch.randn_like(images.to(torch.promote_types(images.dtype, "
            "torch.bfloat16))); return (images + self.amount * noise).to(images.dtype)",
            floats="",
        ),
        "Images of torch.uint8 come out as torch.uint8. Bytes cannot hold the noise",
    ),
    "2.2 bytes whose noise is bytes": (
        "2.2",
        layer(
            "noise = torch.randn(images.shape, device=images.device).to(images.dtype); "
            "return images + self.amount * noise",
            floats="",
        ),
        "the noise has deviation",
    ),
    "2.2 bytes whose noise travels": (
        "2.2",
        layer(
            "noise = torch.randn(images.shape, dtype=torch.float32).to(images.device) "
            "if images.dtype == torch.uint8 else torch.randn_like(images); "
            "return images + self.amount * noise",
            floats="",
        ),
        "200704 bytes travel to the GPU",
    ),
    "2.2 the amount written out": (
        "2.2",
        layer("return images + 0.5 * torch.randn_like(images)"),
        "With amount 0.2, the noise has mean -0.00 and deviation 0.50. Add amount",
    ),
    "2.2 one number per image": (
        "2.2",
        layer(
            "return images + self.amount * torch.randn("
            "len(images), 1, 1, 1, device=images.device, dtype=images.dtype)"
        ),
        "All pixels of an image get the same noise. Draw a number of its own for each",
    ),
    "2.2 one number per row": (
        "2.2",
        layer("return images + self.amount * torch.randn_like(images[..., :1])"),
        "All columns of an image get the same noise.",
    ),
    "2.2 every number twice": (
        "2.2",
        layer(
            "half = torch.randn_like(images[::2]); "
            "return images + self.amount * torch.cat([half, -half])"
        ),
        "black pixels has only ",
    ),
    "2.2 nothing in evaluation mode": (
        "2.2",
        layer("return images + self.training * self.amount * torch.randn_like(images)"),
        "In evaluation mode forward returns the images without noise. Every call adds",
    ),
    "2.2 the same numbers in evaluation mode": (
        "2.2",
        layer(
            "torch.manual_seed(0) if not self.training else None; "
            "return images + self.amount * torch.randn_like(images)"
        ),
        "Two calls add the same noise. Draw it in every call.",
    ),
    "2.2 uniform, of the right deviation": (
        "2.2",
        layer(
            "return images + self.amount * 12 ** 0.5 * (torch.rand_like(images) - 0.5)"
        ),
        "0.0% of the noise is farther than two deviations from 0; of normal noise it",
    ),
    "2.2 variance instead of deviation": (
        "2.2",
        layer("return images + self.amount ** 0.5 * torch.randn_like(images)"),
        "With amount 0.5, the noise has mean -0.01 and deviation 0.71.",
    ),
    "2.2 clamped": (
        "2.2",
        layer("return (images + self.amount * torch.randn_like(images)).clamp(0, 1)"),
        "Draw a number of its own for each",
    ),
    "2.2 a size written out": (
        "2.2",
        layer(
            "return images + self.amount * torch.randn("
            "len(images), 1, 28, 28, device=images.device, dtype=images.dtype)"
        ),
        "forward raised RuntimeError: The size of tensor a",
    ),
    "2.2 the current GPU": (
        "2.2",
        layer(
            "return images + self.amount * torch.randn(images.shape, "
            "dtype=images.dtype, device='cuda' if images.is_cuda else 'cpu')"
        ),
        "It fails on cuda:1",
    ),
    "2.2 drawn by NumPy": (
        "2.2",
        layer(
            "n = np.random.randn(*images.shape); "
            "return images + self.amount * torch.as_tensor(n).to(images)"
        ),
        "200704 bytes travel to the GPU.",
    ),
    "2.3 counts in a class": (
        "2.3",
        ALL_COUNTS
        + common(
            UNSAVED_WINDOW.strip(),
            shares="(Kept.counts / Kept.counts.sum()).to(self.device)",
            count="Kept.counts = Kept.counts + F.one_hot(labels, 10).sum(0).cpu()",
        ),
        "A new instance starts with what another one has counted. Keep the counts in",
    ),
    "2.3 counts every batch once": (
        "2.3",
        common(COUNTS + UNSAVED_WINDOW, count="self.counts[labels] += 1"),
        "the logits are not raised by the log of each class's share.",
    ),
    "2.3 shares instead of their log": (
        "2.3",
        common(COUNTS + UNSAVED_WINDOW, shares="(self.counts / 10).exp()"),
        "the logits are not raised by the log of each class's share.",
    ),
    "2.3 a window one pixel too large": (
        "2.3",
        common(COUNTS + UNSAVED_WINDOW.replace("2:26, 2:26", "1:27, 1:27")),
        "change with the two outermost rows and columns",
    ),
    "2.3 a window one pixel too small": (
        "2.3",
        common(COUNTS + UNSAVED_WINDOW.replace("2:26, 2:26", "3:26, 2:26")),
        "do not change with the pixels at the edge of the window. The window hides",
    ),
    "2.3 a window that brightens": (
        "2.3",
        common(COUNTS + UNSAVED_WINDOW.replace("= 1", "= 2")),
        "Within the window the network gets values that the images do not have. Hide",
    ),
    "2.3 the log of the count": (
        "2.3",
        common(COUNTS + UNSAVED_WINDOW, shares="self.counts"),
        "the logits are not raised by the log of each class's share.",
    ),
    "2.3 times the sum": (
        "2.3",
        common(COUNTS + UNSAVED_WINDOW, shares="self.counts * self.counts.sum()"),
        "the logits are not raised by the log of each class's share.",
    ),
    "2.3 the window is a frozen weight": (
        "2.3",
        common(COUNTS + WINDOW + "self.window = nn.Parameter(w, requires_grad=False)"),
        "The checkpoint holds window with 784 numbers, which nothing has to learn.",
    ),
    "2.3 the window is a weight": (
        "2.3",
        common(COUNTS + WINDOW + "self.window = nn.Parameter(w)"),
        "The checkpoint holds window with 784 numbers",
    ),
    "2.3 the window is stored small": (
        "2.3",
        common(
            COUNTS + '\nself.register_buffer("window", torch.ones(24, 24))',
            window="F.pad(self.window, (2, 2, 2, 2))",
        ),
        "The checkpoint holds window with 576 numbers",
    ),
    "2.3 the window is stored by a hook": (
        "2.3",
        common(
            COUNTS + UNSAVED_WINDOW,
            more="""
    def on_save_checkpoint(self, checkpoint):
        checkpoint["mask"] = self.window.tolist()
""",
        ),
        "The checkpoint holds mask with 784 numbers",
    ),
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
        "It fails on cuda:1",
    ),
    "2.1 result left there": (
        "2.1",
        classify("return self(images.to(self.device)).argmax(1)"),
        "the classes come back on cuda:0. Move the result to the CPU.",
    ),
    "2.1 the module moved instead": (
        "2.1",
        classify("self.cpu()\nreturn self(images.cpu()).argmax(1)"),
        "classify leaves the module on cpu; it had been on cuda:0. Move the images,",
    ),
    "2.1 logits returned": (
        "2.1",
        classify("return self(images.to(self.device)).cpu()"),
        "For 16 images classify returns the shape (16, 10). Return one class per",
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
        "Images of torch.float32 come out as torch.bfloat16; keep the dtype.",
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
        "counts did not come back. What was learned has to be in the checkpoint",
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
        "the logits are not raised by the log of each class's share. Count every label",
    ),
    "2.3 window dropped": (
        "2.3",
        common(COUNTS, window="1"),
        "change with the two outermost rows and columns of pixels. Keep the window",
    ),
    "2.3 a parameter that learns": (
        "2.3",
        common("self.counts = nn.Parameter(torch.ones(10))" + UNSAVED_WINDOW),
        "Training raised RuntimeError: a leaf Variable that requires grad",
    ),
}


def test_an_instance_instead_of_the_class_is_told():
    for exercise in EXERCISES:
        result = judge(exercise, nn.Linear(1, 1))
        assert result.status == "incorrect"
        assert "hand over the class itself" in result.message


@pytest.mark.parametrize(("practice", "source"), RIGHT.values(), ids=RIGHT)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@pytest.mark.parametrize(("practice", "source", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
