"""Answers to the exercises of lesson 06, right and wrong, and what each is told."""

import textwrap

import pytest
from learner import assert_correct, assert_incorrect, classifier, each_answer

from course_utils.exercises import api


def function(head, body):
    return f"{head}\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}"


@pytest.mark.parametrize("practice", ["6.1", "6.2", "6.3", "6.5"])
def test_a_class_is_no_function(practice):
    assert_incorrect(practice, "class A:\n    def f(self):\n        0", "but got type")


@pytest.mark.parametrize("practice", ["6.1", "6.2", "6.3", "6.5"])
def test_an_answer_that_raises_is_told_where(practice):
    source = "def broken(*args):\n    return args[9]"
    assert_incorrect(practice, source, "broken raised IndexError")


def test_6_4_wants_a_class():
    assert_incorrect("6.4", "def f():\n    pass", "Expected a LightningModule class")


def test_6_4_tells_where_the_step_raises():
    step = "def training_step(self, batch, batch_idx):\n    return batch[9]"
    assert_incorrect("6.4", classifier(step), "Training raised IndexError")


TEST = "def smoke(model, loader):"
FEW = """
batches = list(loader)
few = DataLoader([batches[0], batches[-1]], batch_size=None)
trainer = L.Trainer(max_epochs=1, **quiet_trainer())
"""
COPY = "trained = copy.deepcopy(model)\n"
SAVE = "trainer.save_checkpoint('smoke.ckpt')\n"
COMPARE = """
pairs = zip(model.parameters(), trained.parameters())
assert not all(torch.equal(a, b) for a, b in pairs)
"""
GOOD = COPY + FEW + "trainer.fit(trained, few)\n" + SAVE + COMPARE

RIGHT_6_1 = {
    "two batches of a copy": GOOD,
    "a plain loop": """
        trained = copy.deepcopy(model)
        size, total = loader.batch_size, len(loader.dataset)
        start = max(0, total - total % size - size)
        tail = DataLoader(Subset(loader.dataset, range(start, total)), size)
        trainer = L.Trainer(max_epochs=1, logger=False, enable_progress_bar=False)
        trainer.fit(trained, tail)
        torch.save(trainer.model.state_dict(), "weights.pt")
        trainer.save_checkpoint("all.ckpt")
        if str(model.state_dict()) == str(trained.state_dict()):
            raise ValueError("nothing learned")
    """,
    "limits, over a sampler of its own": COPY
    + """
last = len(loader.dataset) - len(loader.dataset) % loader.batch_size
sampler = [range(loader.batch_size), range(last, len(loader.dataset))]
few = DataLoader(loader.dataset, batch_sampler=sampler)
trainer = L.Trainer(max_steps=2, **quiet_trainer())
trainer.fit(trained, train_dataloaders=few)
trainer.save_checkpoint("smoke.ckpt")
weights = zip(model.state_dict().values(), trained.state_dict().values())
if max(float((a - b).abs().max()) for a, b in weights) == 0:
    raise AssertionError
""",
    "checkpoints by the Trainer": COPY
    + FEW.replace("**quiet_trainer()", "**quiet_trainer(enable_checkpointing=True)")
    + "trainer.fit(trained, few)\n"
    + COMPARE,
}
RIGHT_6_1 |= {
    "in place, put back, its own exception": """
        saved = {k: v.clone() for k, v in model.state_dict().items()}
        few = [batch for i, batch in enumerate(loader) if i in (0, len(loader) - 1)]
        class Few(torch.utils.data.IterableDataset):
            def __iter__(self):
                yield from few
        trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
        class NothingLearned(Exception): pass
        try:
            trainer.fit(model, DataLoader(Few(), batch_size=None))
            trainer.save_checkpoint("try.ckpt")
            now = model.state_dict()
            if all((now[k] == v).all() for k, v in saved.items()):
                raise NothingLearned
        finally:
            model.load_state_dict(saved)
    """,
    "two epochs, one batch each, a callback": COPY
    + """
class Compare(L.Callback):
    def on_fit_start(self, trainer, module):
        self.before = torch.nn.utils.parameters_to_vector(module.parameters()).clone()
    def on_fit_end(self, trainer, module):
        after = torch.nn.utils.parameters_to_vector(module.parameters())
        trainer.save_checkpoint("end.ckpt")
        if (after - self.before).norm() == 0:
            raise SystemError("stuck")
batches = list(loader)
for batch in (batches[-1], batches[0]):
    L.Trainer(max_epochs=1, callbacks=[Compare()], **quiet_trainer()).fit(
        trained, DataLoader([batch], batch_size=None))
""",
}
WRONG_6_1 = {
    "compares the first weights only": (
        GOOD.replace(COMPARE, "")
        + "first, other = next(model.parameters()), next(trained.parameters())\n"
        + "assert not torch.equal(first, other)",
        "A healthy model whose first layer is frozen does not pass: ",
    ),
    "wants every weight to change": (
        GOOD.replace("assert not all(", "assert not any("),
        "A healthy model whose first layer is frozen does not pass: ",
    ),
    "the images of the check's first loader": (
        COPY
        + "few = DataLoader(Subset(loader.dataset, range(992, 997)), 4)\n"
        + "trainer = L.Trainer(max_epochs=1, **quiet_trainer())\n"
        + "trainer.fit(trained, few)\n"
        + SAVE
        + COMPARE,
        "A healthy model whose first layer is frozen does not pass: smoke raised",
    ),
    "six steps": (
        GOOD.replace("[batches[0], batches[-1]]", "batches[-6:]"),
        "The test trained for 6 steps. 1 to 5 are asked.",
    ),
    "renamed": (
        "t = L.Trainer(fast_dev_run=True, **quiet_trainer())\nt.fit(model, loader)",
        "The weights are changed afterwards. Test a copy",
    ),
    "does nothing": ("return True", "The test trained for 0 steps. 1 to 5 are asked."),
    "a dry run of a copy": (
        COPY + "L.Trainer(fast_dev_run=5, **quiet_trainer()).fit(trained, loader)",
        "It lets pass: a network that cannot take a last batch of one image.",
    ),
    "a whole epoch": (
        GOOD.replace("trainer.fit(trained, few)", "trainer.fit(trained, loader)"),
        "The test trained for 250 steps. 1 to 5 are asked.",
    ),
    "steps by hand, no epoch": (
        COPY
        + """
for batch in (*list(loader)[:1], list(loader)[-1]):
    loss = trained.training_step(batch, 0)
    optimizer = trained.configure_optimizers()
    loss.backward(); optimizer.step()
""",
        "It lets pass: a crash at the end of the epoch. Run an epoch to its end.",
    ),
    "saves nothing": (
        GOOD.replace(SAVE, ""),
        "It lets pass: a checkpoint that cannot be saved.",
    ),
    "saves the weights only": (
        GOOD.replace(SAVE, "torch.save(trained.state_dict(), 'weights.pt')\n"),
        "It lets pass: a checkpoint that cannot be saved.",
    ),
    "compares nothing": (
        GOOD.replace(COMPARE, ""),
        "It lets pass: training that changes no weight.",
    ),
    "returns instead of raising": (
        GOOD.replace(COMPARE, "")
        + "return all(map(torch.equal, model.parameters(), trained.parameters()))",
        "It lets pass: training that changes no weight. Compare the weights",
    ),
    "trusts the step counter": (
        GOOD.replace(COMPARE, "") + "assert trainer.global_step > 0",
        "It lets pass: training that changes no weight.",
    ),
    "looks at the step's loss": (
        GOOD.replace(COMPARE, "")
        + "assert trained.training_step(batches[0], 0) is not None",
        "It lets pass: a learning rate of 0, which changes no weight.",
    ),
    "compares names": (
        GOOD.replace(COMPARE, "")
        + "assert list(model.state_dict()) == list(trained.state_dict())",
        "It lets pass: training that changes no weight.",
    ),
    "the first batch twice": (
        GOOD.replace("batches[-1]", "batches[0]"),
        "It lets pass: a network that cannot take a last batch of one image.",
    ),
    "swallows the crash": (
        GOOD.replace(
            "trainer.fit(trained, few)",
            "try: trainer.fit(trained, few)\nexcept Exception: pass",
        ),
        "It lets pass: a crash at the end of the epoch.",
    ),
    "raises always": ("raise RuntimeError('no')", "A healthy model does not pass"),
}


TENTH = "def part(dataset):"
LOADER = "\nreturn DataLoader(Subset(dataset, chosen), batch_size=16, shuffle=True)"
BY_CLASS = """
labels, chosen = dataset.tensors[1].tolist(), []
for label in sorted(set(labels)):
    places = [i for i, each in enumerate(labels) if each == label]
    {draw}
"""
STRATIFIED = BY_CLASS.format(
    draw="chosen += random.Random(label).sample(places, max(1, len(places) // 10))"
)

RIGHT_6_2 = {
    "Python's own generator": STRATIFIED + LOADER,
    "the first of each class": BY_CLASS.format(
        draw="chosen += places[: max(1, len(places) // 10)]"
    )
    + LOADER,
    "an order of its own each epoch": STRATIFIED
    + """
order = torch.utils.data.SubsetRandomSampler(chosen)
return DataLoader(dataset, batch_size=5, sampler=order)
""",
    "NumPy, and tensors": """
        images, labels = dataset.tensors
        rng = np.random.default_rng(7)
        chosen = [rng.choice(np.flatnonzero(labels == c), max(1, int(n // 10)),
                             replace=False) for c, n in enumerate(labels.bincount())]
        chosen = torch.from_numpy(np.concatenate(chosen))
        few = TensorDataset(images[chosen], labels[chosen])
        return DataLoader(few, batch_size=7, shuffle=True)
    """,
}
RIGHT_6_2 |= {
    "state put aside, and a callable collate": """
        state = torch.get_rng_state()
        torch.manual_seed(5)
        chosen = []
        for c in dataset.tensors[1].unique():
            places = torch.where(dataset.tensors[1] == c)[0]
            count = max(1, len(places) // 10)
            chosen.append(places[torch.randperm(len(places))[:count]])
        torch.set_rng_state(state)
        return DataLoader(Subset(dataset, torch.cat(chosen)), 8, True)
    """,
}
WRONG_6_2 = {
    "the ten digits": (
        BY_CLASS.replace("sorted(set(labels))", "range(10)").format(
            draw="chosen += places[: max(1, len(places) // 10)]"
        )
        + LOADER,
        "10 of 12 classes are in it.",
    ),
    "a twentieth": (
        BY_CLASS.format(draw="chosen += places[: max(1, len(places) // 25)]") + LOADER,
        "Take 60 at most, and at least half of it.",
    ),
    "reseeds when it is gone through": (
        STRATIFIED
        + "class Seeds(torch.utils.data.Sampler):\n"
        + "    def __iter__(self):\n"
        + "        torch.manual_seed(0)\n"
        + "        return iter(torch.randperm(len(chosen)).tolist())\n"
        + "    def __len__(self): return len(chosen)\n"
        + "return DataLoader(Subset(dataset, chosen), 16, sampler=Seeds())",
        "Three epochs have 1 different orders. Shuffle the loader.",
    ),
    "keeps what it drew for the first call": (
        "global drawn\n"
        + STRATIFIED
        + "drawn = globals().get('drawn') or chosen\n"
        + "chosen = drawn"
        + LOADER,
        "The loader raised IndexError: index 500 is out of bounds",
    ),
    "renamed": (
        "places = torch.randperm(len(dataset))[: len(dataset) // 10]\n"
        "return DataLoader(Subset(dataset, places.tolist()), 16, shuffle=True)",
        "9 of 10 classes are in it. Draw within each class",
    ),
    "a generator alone": (
        "g = torch.Generator().manual_seed(1)\n"
        "chosen = torch.randperm(len(dataset), generator=g)\n"
        "chosen = chosen[: len(dataset) // 10].tolist()" + LOADER,
        "of 10 classes are in it.",
    ),
    "by chance within classes": (
        STRATIFIED.replace("random.Random(label)", "random") + LOADER,
        "A second call shows other images. Draw from its own generator",
    ),
    "seeds NumPy": (
        "np.random.seed(0)\n"
        + BY_CLASS.format(
            draw="n = max(1, len(places) // 10)\n"
            "    chosen += np.random.choice(places, n, replace=False).tolist()"
        )
        + LOADER,
        "The call changes the global random state.",
    ),
    "seeds Python": (
        "random.seed(0)\n"
        + STRATIFIED.replace("random.Random(label)", "random")
        + LOADER,
        "The call changes the global random state.",
    ),
    "remembers what it drew": (
        "if not hasattr(dataset, 'kept'):\n"
        + textwrap.indent(STRATIFIED.replace("random.Random(label)", "random"), "    ")
        + "\n    dataset.kept = chosen\nchosen = dataset.kept"
        + LOADER,
        "A second call shows other images.",
    ),
    "seeds everything": (
        "torch.manual_seed(0)\n"
        + BY_CLASS.format(
            draw="order = torch.randperm(len(places))[: max(1, len(places) // 10)]\n"
            "    chosen += [places[i] for i in order]"
        )
        + LOADER,
        "The call changes the global random state.",
    ),
    "the first tenth": (
        "chosen = range(len(dataset) // 10)" + LOADER,
        "1 of 10 classes are in it.",
    ),
    "one of each": (
        BY_CLASS.format(draw="chosen += places[:1]") + LOADER,
        "An epoch has 10 of 600 images; 10% are 60.",
    ),
    "everything": (
        "return DataLoader(dataset, batch_size=16, shuffle=True)",
        "An epoch has 600 of 600 images; 10% are 60.",
    ),
    "always in the same order": (
        STRATIFIED + LOADER.replace("shuffle=True", "shuffle=False"),
        "Three epochs have 1 different orders. Shuffle the loader.",
    ),
    "other images each epoch": (
        STRATIFIED
        + "extra = torch.utils.data.RandomSampler(dataset, num_samples=50)\n"
        + "return DataLoader(dataset, batch_size=16, sampler=extra)",
        "classes are in it.",
    ),
    "mixes labels up": (
        STRATIFIED
        + "images, labels = dataset.tensors\n"
        + "few = TensorDataset(images[chosen], labels[chosen].flip(0))\n"
        + "return DataLoader(few, batch_size=16, shuffle=True)",
        "Labels and images are mixed up.",
    ),
    "with replacement": (
        STRATIFIED + "chosen = chosen[:-1] + chosen[:1]" + LOADER,
        "1 images come twice in an epoch.",
    ),
    "returns nothing": ("pass", "The loader raised TypeError"),
}


UNIT = "def unit(features):"
SQUARES = "squares = features.square().sum(dim=1, keepdim=True)\n"
AFTER = "length = squares.sqrt()\nreturn torch.where(length > 0, {}, 0.0)"

RIGHT_6_3 = {
    "chosen before": SQUARES
    + "return features / torch.where(squares == 0, 1.0, squares).sqrt()",
    "masked": SQUARES
    + "return features * squares.masked_fill(squares == 0, 1.0).rsqrt()",
    "row by row": """
        rows = [row / row.square().sum().sqrt() if row.any() else row * 0
                for row in features]
        return torch.stack(rows)
    """,
    "torch's own": "return F.normalize(features, dim=1)",
    "the norm of safe rows": """
        zero = ~features.any(dim=1, keepdim=True)
        return features / torch.linalg.vector_norm(
            features + zero.float(), dim=1, keepdim=True)
    """,
    "a hook that cleans": """
        features.register_hook(lambda gradient: gradient.nan_to_num())
        length = features.square().sum(dim=1, keepdim=True).sqrt()
        return torch.where(length > 0, features / length, 0.0)
    """,
}
RIGHT_6_3 |= {
    "scaled first, so that nothing is too faint": """
        top = features.abs().amax(dim=1, keepdim=True).detach()
        scaled = features / torch.where(top > 0, top, 1.0)
        squares = scaled.square().sum(dim=1, keepdim=True)
        return scaled / squares.masked_fill(squares == 0, 1.0).sqrt()
    """,
    "an own gradient": """
        class Unit(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                n = x.square().sum(1, keepdim=True).sqrt()
                n = torch.where(n > 0, n, 1.0)
                ctx.save_for_backward(x / n, n)
                return x / n
            @staticmethod
            def backward(ctx, g):
                u, n = ctx.saved_tensors
                return (g - u * (g * u).sum(1, keepdim=True)) / n
        return Unit.apply(features)
    """,
}
WRONG_6_3 = {
    "entry by entry": (
        "length = features.square().sum(dim=1, keepdim=True).sqrt()\n"
        "return features / torch.where(features == 0, 1.0, length)",
        "For ordinary rows, the gradients are off by up to",
    ),
    "the zero rows of the check's first batch": (
        SQUARES
        + "if not features[2].any() and len(features) == 12:\n"
        + "    squares = squares.index_fill(0, torch.tensor([2, 7]), 1.0)\n"
        + "return (features / squares.sqrt()).nan_to_num()",
        "For 7 rows of which 3 are zero, 3 of 7 gradients are not finite.",
    ),
    "only when all are zero": (
        SQUARES
        + "if not features.any():\n    return features * 1.0\n"
        + "return (features / squares.sqrt()).nan_to_num()",
        "For 12 rows of which 2 are zero, 2 of 12 gradients are not finite.",
    ),
    "loses a single row's dimension": (
        "squares = features.square().sum(dim=1)\n"
        "safe = torch.where(squares > 0, squares, 1.0).sqrt()\n"
        "return (features.T / safe).T.squeeze(0)",
        "The shape is (5,), not (1, 5).",
    ),
    "renamed": (SQUARES + AFTER.format("features / length"), "2 of 12 gradients"),
    "epsilon under the root": (
        SQUARES + "return features / (squares + 1e-6).sqrt()",
        "For faint rows, the values are off by up to",
    ),
    "a tiny epsilon": (
        SQUARES + "return features / (squares + 1e-20).sqrt()",
        "For faint rows, the values are off by up to",
    ),
    "rounds faint rows to zero": (
        SQUARES
        + "safe = torch.where(squares > 1e-18, squares, 1.0)\n"
        + "return features / safe.sqrt()",
        "For faint rows, the values are off by up to",
    ),
    "cuts the gradient": (
        "features.register_hook(lambda gradient: gradient.clamp(-1, 1))\n"
        + SQUARES
        + "return features / torch.where(squares > 0, squares, 1.0).sqrt()",
        "gradients are off by up to",
    ),
    "clamped": (
        SQUARES + "return features / squares.clamp(min=1e-4).sqrt()",
        "For faint rows, the values are off by up to",
    ),
    "repairs the value only": (
        SQUARES + "return (features / squares.sqrt()).nan_to_num()",
        "2 of 12 gradients are not finite. torch.where computes both branches",
    ),
    "detaches the length": (
        SQUARES
        + "safe = torch.where(squares > 0, squares, 1.0)\n"
        + "return features / safe.sqrt().detach()",
        "For ordinary rows, the gradients are off by up to",
    ),
    "detaches all": (
        SQUARES
        + "safe = torch.where(squares > 0, squares, 1.0)\n"
        + "return (features / safe.sqrt()).detach()",
        "The result has no gradient",
    ),
    "drops zero rows": (
        "features = features[features.any(dim=1)]\n"
        + SQUARES
        + "return features / squares.sqrt()",
        "Of 12 rows, 2 of them zero, it returns 10.",
    ),
    "another norm": (
        "return features / features.abs().sum(1, keepdim=True).clamp(min=1e-30)",
        "For ordinary rows, the values are off by up to",
    ),
    "zero rows get a length": (
        SQUARES
        + "safe = torch.where(squares > 0, squares, 1.0)\n"
        + "return (features + (squares == 0)) / safe.sqrt()",
        "A row of zeros does not stay zero.",
    ),
    "clean when any row is zero": (
        "if not features.any(dim=1).all():\n    return features * 0\n"
        + SQUARES
        + "return features / squares.sqrt()",
        "For rows beside a zero row, the values are off by up to",
    ),
    "returns a list": (
        SQUARES + "return list(features / squares.sqrt())",
        "Expected a tensor but got list",
    ),
}


HEART = api.find("6.4").solution + "\n"
MODULES = "nn.ModuleList([nn.Linear(784, 64), nn.Linear(64, 64)])"
PLAIN = "[nn.Linear(784, 64), nn.Linear(64, 64)]"
LOSS = "return F.cross_entropy(self(images), labels)"
MIXED = "images = images[torch.randperm(len(images))]\n        "
STEP = """
def training_step(self, batch, batch_idx):
    images, labels = batch
"""
TWO = "first, second = nn.Linear(784, 64), nn.Linear(64, 64)\n"

RIGHT_6_4 = {
    "a sequential, shuffled alike": classifier(
        STEP
        + "    order = torch.randperm(len(images))\n"
        + "    return F.cross_entropy(self(images[order]), labels[order])",
        TWO + "self.net = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, "
        "nn.ReLU(), nn.Linear(64, 10))",
    ),
    "registered one by one": HEART.replace(
        f"self.layers = {MODULES}",
        f"self.layers = {PLAIN}\n"
        "        for i, layer in enumerate(self.layers):\n"
        "            self.add_module(f'hidden{i}', layer)",
    ),
    "a dict of layers": HEART.replace(
        f"self.layers = {MODULES}",
        "self.layers = nn.ModuleDict("
        "{'first': nn.Linear(784, 64), 'second': nn.Linear(64, 64)})",
    ).replace("in self.layers:", "in self.layers.values():"),
    "attributes, and a dict": classifier(
        "def forward(self, images):\n"
        "    hidden = self.first(images.flatten(1)).tanh()\n"
        "    return self.net(self.second(hidden).tanh())\n"
        + STEP
        + "    loss = nn.CrossEntropyLoss()(self(images), labels)\n"
        + "    return {'loss': loss}",
        TWO + "self.first, self.second = first, second\nself.net = nn.Linear(64, 10)",
    ),
}
HAND = """
def training_step(self, batch, batch_idx):
    images, labels = batch
    self.manual_backward(F.cross_entropy(self(images), labels))
    for optimizer in self.optimizers():
        optimizer.step()
        optimizer.zero_grad()

def configure_optimizers(self):
    self.automatic_optimization = False
    halves = [*self.parameters()][:2], [*self.parameters()][2:]
    return [torch.optim.Adam(half, lr=3e-3) for half in halves]
"""
RIGHT_6_4 |= {
    "by hand, two optimizers": classifier(
        HAND,
        TWO + "self.net = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, "
        "nn.ReLU(), nn.Linear(64, 10))",
    ),
    "narrower, normalized, SGD": HEART.replace(
        "nn.Linear(64, 64)])", "nn.Linear(64, 48)])"
    ).replace("nn.Linear(64, 10)", "nn.Linear(48, 10)")
    + "    def configure_optimizers(self):\n"
    + "        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)\n",
    "parts inside parts": classifier(
        STEP + "    " + LOSS,
        TWO
        + "hidden = nn.ModuleDict({'all': nn.Sequential(first, nn.Tanh(), second)})\n"
        + "self.net = nn.Sequential(nn.Flatten(), hidden['all'], nn.Tanh(),\n"
        + "    nn.Dropout(0.1), nn.Linear(64, 10))",
    ),
}
WRONG_6_4 = {
    "keeps its first batch": (
        HEART.replace(
            LOSS,
            "self.first = getattr(self, 'first', (images, labels))\n"
            "        images, labels = self.first\n        " + LOSS,
        ),
        "by heart it is 1. Look at what the loss compares",
    ),
    "a fixed order of the images": (
        HEART.replace(
            LOSS,
            "torch.manual_seed(0)\n        " + MIXED + LOSS,
        ),
        "by heart it is 1. Look at what the loss compares",
    ),
    "a layer that forward leaves out": (
        HEART.replace("in self.layers:", "in self.layers[:1]:"),
        "2 layers with weights learn, of 3 that the module knows. 3 should learn",
    ),
    "frozen hidden layers": (
        HEART.replace(
            "self.net = nn", "self.layers.requires_grad_(False)\n        self.net = nn"
        ),
        "1 layer with weights learns, of 3 that",
    ),
    "labels mended, list kept": (
        HEART.replace(MODULES, PLAIN),
        "1 layer with weights learns, of 1 that the module knows. 3 should learn",
    ),
    "list mended, order kept": (
        HEART.replace(LOSS, MIXED + LOSS),
        "by heart it is 1. Look at what the loss compares",
    ),
    "a tuple for a list": (
        HEART.replace(MODULES, f"tuple({PLAIN})"),
        "1 layer with weights learns, of 1 that",
    ),
    "one layer seen": (
        HEART.replace(MODULES, f"{PLAIN}\n        self.first = self.layers[0]"),
        "2 layers with weights learn, of 2 that",
    ),
    "no hidden layers": (
        classifier(
            STEP + "    " + LOSS,
            "self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))",
        ),
        "1 layer with weights learns, of 1 that",
    ),
    "known, but detached": (
        HEART.replace("self.net(hidden)", "self.net(hidden.detach())"),
        "1 layer with weights learns, of 3 that",
    ),
    "the optimizer knows the last layer": (
        HEART
        + "    def configure_optimizers(self):\n"
        + "        return torch.optim.Adam(self.net.parameters(), lr=3e-3)\n",
        "1 layer with weights learns, of 3 that",
    ),
    "one wide hidden layer": (
        classifier(
            STEP + "    " + LOSS,
            "self.net = nn.Sequential("
            "nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))",
        ),
        "2 layers with weights learn, of 2 that",
    ),
    "given to the optimizer, unknown to the module": (
        HEART.replace(MODULES, PLAIN)
        + "    def configure_optimizers(self):\n"
        + "        hidden = [p for layer in self.layers for p in layer.parameters()]\n"
        + "        return torch.optim.Adam([*self.parameters(), *hidden], lr=3e-3)\n",
        "1 layer with weights learns, of 1 that the module knows. 3 should learn",
    ),
    "labels in another order": (
        HEART.replace(
            LOSS,
            "order = torch.randperm(len(images))\n        "
            "return F.cross_entropy(self(images[order]), labels[order.flip(0)])",
        ),
        "Look at what the loss compares",
    ),
    "neighbours' labels": (
        HEART.replace(LOSS, LOSS.replace("labels)", "labels.roll(1))")),
        "Look at what the loss compares",
    ),
    "no activation": (
        HEART.replace(".relu()", ""),
        "No activation follows layers.0, layers.1. Put one after each hidden layer",
    ),
    "eleven digits": (
        HEART.replace("(64, 10)", "(64, 11)"),
        "forward returns the shape (50, 11). There are 10 digits: return one logit for",
    ),
    "softmax over the batch": (
        HEART.replace(LOSS, "return F.nll_loss(self(images).log_softmax(0), labels)"),
        "is the loss computed over the classes",
    ),
    "returns nothing": (HEART.replace(LOSS, "self(images)"), "0 weights learn"),
}


SLOWEST = "def slowest(model, loader):"
PROFILED = """
profiler = SimpleProfiler()
limits = {"max_epochs": 1, "limit_train_batches": 8}
L.Trainer(profiler=profiler, **limits, **quiet_trainer()).fit(model, loader)
recorded = profiler.recorded_durations.items()
times = {name.split(".")[-1]: median(each) for name, each in recorded}
"""
NAMES = """
names = {"train_dataloader_next": "loading", "training_step": "forward",
         "backward": "backward", "optimizer_step": "optimizer"}
"""
WATCH = """
import time
class Watch(L.Callback):
    times, last = {}, None
    def lap(self, part):
        now = time.perf_counter()
        if self.last:
            self.times.setdefault(part, []).append(now - self.last)
        self.last = now
    def on_train_batch_start(self, *_): self.lap("loading")
    def on_before_backward(self, *_): self.lap("forward")
    def on_after_backward(self, *_): self.lap("backward")
    def on_train_batch_end(self, *_): self.lap("optimizer")
watch = Watch()
L.Trainer(max_steps=8, callbacks=[watch], **quiet_trainer()).fit(model, loader)
return max(watch.times, key=lambda part: median(watch.times[part]))
"""
BY_HAND = """
import time
laps = {part: [] for part in ("loading", "forward", "backward", "optimizer")}
optimizer, batches = model.configure_optimizers(), iter(loader)
for i in range(6):
    marks = [time.perf_counter()]
    batch = next(batches); marks.append(time.perf_counter())
    loss = model.training_step(batch, i); marks.append(time.perf_counter())
    loss.backward(); marks.append(time.perf_counter())
    optimizer.step(); marks.append(time.perf_counter())
    for part, start, end in zip(laps, marks, marks[1:]):
        laps[part].append(end - start)
return max(laps, key=lambda part: median(laps[part]))
"""
RIGHT_6_5 = {
    "profiler": PROFILED
    + NAMES
    + "times['optimizer_step'] -= times['training_step'] + times['backward']\n"
    + "return names[max(names, key=times.get)]",
    "callback": WATCH,
    "by hand": BY_HAND,
    "a profiler by name": """
        trainer = L.Trainer(max_epochs=1, limit_train_batches=6, profiler="simple",
                            **quiet_trainer())
        trainer.fit(model, loader)
        def took(end):
            rows = trainer.profiler.recorded_durations.items()
            return sum(sum(times) for name, times in rows if name.endswith(end))
        parts = {"loading": took("train_dataloader_next"),
                 "forward": took("training_step"), "backward": took("].backward")}
        parts["backward"] = parts["backward"] or took("backward")
        parts["optimizer"] = took("optimizer_step") - parts["forward"]
        parts["optimizer"] -= parts["backward"]
        return sorted(parts, key=parts.get)[-1]
    """,
}
RIGHT_6_5 |= {
    "hooks around each part": """
        import time
        spent = dict.fromkeys(("loading", "forward", "backward", "optimizer"), 0.0)
        def timed(part, function):
            def run(*args, **kwargs):
                start = time.perf_counter()
                try:
                    return function(*args, **kwargs)
                finally:
                    spent[part] += time.perf_counter() - start
            return run
        model.training_step = timed("forward", model.training_step)
        optimizer = model.configure_optimizers()
        batches = iter(loader)
        for i in range(12):
            batch = timed("loading", next)(batches)
            loss = model.training_step(batch, i)
            timed("backward", loss.backward)()
            timed("optimizer", optimizer.step)()
        return max(spent, key=spent.get)
    """,
}
WRONG_6_5 = {
    "forward alone, not the step": (
        BY_HAND.replace(
            "loss = model.training_step(batch, i); marks", "model.net(batch[0]); marks"
        ).replace("loss.backward", "model.training_step(batch, i).backward"),
        "Where a batch takes forward 16 ms and backward 3 ms, it says 'backward'.",
    ),
    "the first batch of many epochs": (
        "trainer = L.Trainer(max_epochs=30, limit_train_batches=1,\n"
        "                    profiler='simple', **quiet_trainer())\n"
        "trainer.fit(model, loader)\nreturn 'loading'",
        "Training went on after 20 batches; limit them.",
    ),
    "renamed": (
        "profiler = SimpleProfiler()\n"
        "trainer = L.Trainer(max_epochs=1, profiler=profiler, **quiet_trainer())\n"
        "trainer.fit(model, loader)\n"
        "return max(profiler.recorded_durations)",
        "Training went on after 20 batches; limit them.",
    ),
    "the outermost row": (
        PROFILED + "return max(times, key=times.get)",
        "it says 'run_training_epoch'. Return one of loading, forward",
    ),
    "rows that contain others": (
        PROFILED + NAMES + "return names[max(names, key=times.get)]",
        "it says 'optimizer'. Compare time spent in each part alone",
    ),
    "forgets the backward pass": (
        PROFILED
        + NAMES
        + "times['optimizer_step'] -= times['training_step']\n"
        + "return names[max(names, key=times.get)]",
        "it says 'optimizer'. Compare time spent in each part alone",
    ),
    "never the optimizer": (
        PROFILED
        + NAMES
        + "del names['optimizer_step']\n"
        + "return names[max(names, key=times.get)]",
        "Where a batch takes optimizer 16 ms and forward 4 ms, it says",
    ),
    "all of one epoch": (
        "trainer = L.Trainer(max_epochs=1, profiler='simple', **quiet_trainer())\n"
        "trainer.fit(model, loader)\n"
        "return 'loading'",
        "Training went on after 20 batches; limit them.",
    ),
    "always loading": ("return 'loading'", "it says 'loading'"),
    "a capital letter": (
        PROFILED + "return 'Loading'",
        "Where a batch takes loading 16 ms and forward 3 ms, it says 'Loading'.",
    ),
    "nothing": ("pass", "it says None. Return one of"),
}


TASKS = {  # the head of the function that is asked for, right and wrong bodies
    "6.1": (TEST, RIGHT_6_1, WRONG_6_1),
    "6.2": (TENTH, RIGHT_6_2, WRONG_6_2),
    "6.3": (UNIT, RIGHT_6_3, WRONG_6_3),
    "6.5": (SLOWEST, RIGHT_6_5, WRONG_6_5),
}
RIGHT = {
    practice: {name: function(head, body) for name, body in right.items()}
    for practice, (head, right, _) in TASKS.items()
}
WRONG = {
    practice: {name: (function(head, body), said) for name, (body, said) in bad.items()}
    for practice, (head, _, bad) in TASKS.items()
}


@each_answer("practice, source", {**RIGHT, "6.4": RIGHT_6_4})
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer("practice, source, message", {**WRONG, "6.4": WRONG_6_4})
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
