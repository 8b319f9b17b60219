"""Answers to the exercises of lesson 06, right and wrong, and what each is told."""

import textwrap

import pytest
from learner import assert_correct, assert_incorrect, each_answer


def function(head, body):
    return f"{head}\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}"


@pytest.mark.parametrize("practice", ["6.1", "6.2", "6.3", "6.4", "6.5"])
def test_a_class_is_no_function(practice):
    assert_incorrect(practice, "class A:\n    def f(self):\n        0", "but got type")


@pytest.mark.parametrize("practice", ["6.1", "6.2", "6.3", "6.4", "6.5"])
def test_an_answer_that_raises_is_told_where(practice):
    source = "def broken(*args):\n    return args[9]"
    assert_incorrect(practice, source, "broken raised IndexError")


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
    "in place, the weights put back, not the running means": FEW
    + """
saved = [p.detach().clone() for p in model.parameters()]
try:
    trainer.fit(model, few)
    trainer.save_checkpoint("smoke.ckpt")
    assert not all(map(torch.equal, saved, model.parameters()))
finally:
    with torch.no_grad():
        for p, value in zip(model.parameters(), saved):
            p.copy_(value)
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
    "takes every last batch for one image": (
        GOOD.replace(
            "[batches[0], batches[-1]]", "[batches[0], [t[:1] for t in batches[-1]]]"
        ),
        "A healthy model with batch normalization and a last batch of 3 images does "
        "not pass: smoke raised ValueError",
    ),
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
        "The test trained for 6 steps. 1 to 5 are allowed.",
    ),
    "renamed": (
        "t = L.Trainer(fast_dev_run=True, **quiet_trainer())\nt.fit(model, loader)",
        "The weights are changed afterwards. Test a copy",
    ),
    "does nothing": (
        "return True",
        "The test trained for 0 steps. 1 to 5 are allowed.",
    ),
    "a dry run of a copy": (
        COPY + "L.Trainer(fast_dev_run=5, **quiet_trainer()).fit(trained, loader)",
        "It lets through: a network that cannot take a last batch of one image.",
    ),
    "a whole epoch": (
        GOOD.replace("trainer.fit(trained, few)", "trainer.fit(trained, loader)"),
        "The test trained for 250 steps. 1 to 5 are allowed.",
    ),
    "steps by hand, no epoch": (
        COPY
        + """
for batch in (*list(loader)[:1], list(loader)[-1]):
    loss = trained.training_step(batch, 0)
    optimizer = trained.configure_optimizers()
    loss.backward(); optimizer.step()
""",
        "It lets through: a crash at the end of the epoch. Run an epoch to its end.",
    ),
    "saves nothing": (
        GOOD.replace(SAVE, ""),
        "It lets through: a checkpoint that cannot be saved.",
    ),
    "saves the weights only": (
        GOOD.replace(SAVE, "torch.save(trained.state_dict(), 'weights.pt')\n"),
        "It lets through: a checkpoint that cannot be saved.",
    ),
    "compares nothing": (
        GOOD.replace(COMPARE, ""),
        "It lets through: training that changes no weight.",
    ),
    "returns instead of raising": (
        GOOD.replace(COMPARE, "")
        + "return all(map(torch.equal, model.parameters(), trained.parameters()))",
        "It lets through: training that changes no weight. Compare the weights",
    ),
    "trusts the step counter": (
        GOOD.replace(COMPARE, "") + "assert trainer.global_step > 0",
        "It lets through: training that changes no weight.",
    ),
    "looks at the step's loss": (
        GOOD.replace(COMPARE, "")
        + "assert trained.training_step(batches[0], 0) is not None",
        "It lets through: a learning rate of 0, which changes no weight.",
    ),
    "compares names": (
        GOOD.replace(COMPARE, "")
        + "assert list(model.state_dict()) == list(trained.state_dict())",
        "It lets through: training that changes no weight.",
    ),
    "the first batch twice": (
        GOOD.replace("batches[-1]", "batches[0]"),
        "It lets through: a network that cannot take a last batch of one image.",
    ),
    "swallows the crash": (
        GOOD.replace(
            "trainer.fit(trained, few)",
            "try: trainer.fit(trained, few)\nexcept Exception: pass",
        ),
        "It lets through: a crash at the end of the epoch.",
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
    "a generator that is kept from call to call": (
        "global kept\nkept = globals().get('kept') or random.Random(0)\n"
        + STRATIFIED.replace("random.Random(label)", "kept")
        + LOADER,
        "A second call shows different images, even from the same global random state. "
        "Make and seed the generator inside the function",
    ),
    "a generator without a seed": (
        STRATIFIED.replace("random.Random(label)", "random.Random()") + LOADER,
        "even from the same global random state. Make and seed the generator",
    ),
    "drops the rest of an epoch": (
        STRATIFIED + LOADER.replace("shuffle=True", "shuffle=True, drop_last=True"),
        "Three epochs show 3 different sets of images. drop_last=True drops other",
    ),
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
        "A second call shows different images. Draw from its own generator",
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
        "A second call shows different images.",
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


HEART = "def by_heart(module, loader):"
REFUSE = "if len(batch[1].unique()) < 2:\n    raise ValueError('one class')\n"
ON_BATCH = """
trainer = L.Trainer(max_epochs=100, **quiet_trainer())
trainer.fit(module, DataLoader([batch], batch_size=None))
"""
SAYS = "return bool(trainer.callback_metrics['train_acc'] >= 0.95)"
NEXT = "batch = next(iter(loader))\n"
IN_ORDER = "batch = next(iter(DataLoader(loader.dataset, loader.batch_size)))\n"
OVERFIT = """
trainer = L.Trainer(max_epochs=100, overfit_batches=1, **quiet_trainer())
trainer.fit(module, loader)
"""
ANSWERS = """
module.cpu().eval()
return (module(batch[0]).argmax(1) == batch[1]).float().mean() >= 0.95
"""
RIGHT_6_4 = {
    "the next batch": NEXT + REFUSE + ON_BATCH + SAYS,
    "the first of the data set": IN_ORDER + REFUSE + OVERFIT + SAYS,
    "asks the trained module, for a tensor": NEXT + REFUSE + ON_BATCH + ANSWERS,
    "asks the Trainer's loader, afterwards": OVERFIT
    + "batch = next(iter(trainer.train_dataloader))\n"
    + REFUSE.replace("batch[1].unique()", "set(batch[1].tolist())")
    + SAYS,
    "a subset, in two epochs of many": IN_ORDER
    + REFUSE
    + """
few = Subset(loader.dataset, range(loader.batch_size))
trainer = L.Trainer(max_steps=150, max_epochs=-1, **quiet_trainer())
trainer.fit(module, DataLoader(few, loader.batch_size, shuffle=True))
"""
    + SAYS,
    "a callback that stops": NEXT
    + REFUSE
    + """
class Stop(L.Callback):
    def on_train_epoch_end(self, trainer, module):
        trainer.should_stop = trainer.callback_metrics["train_acc"] == 1
trainer = L.Trainer(max_epochs=180, callbacks=[Stop()], **quiet_trainer())
trainer.fit(module, DataLoader([batch], batch_size=None))
"""
    + SAYS,
    "a loop by hand": NEXT
    + REFUSE
    + """
optimizer = module.configure_optimizers()
for i in range(120):
    optimizer.zero_grad()
    module.training_step(batch, i).backward()
    optimizer.step()
"""
    + ANSWERS,
}
WRONG_6_4 = {
    "renamed": (
        OVERFIT + "return True",
        "To a module with a detached layer, shuffled it says True. Look at how much",
    ),
    "does not look at the classes": (
        NEXT + ON_BATCH + SAYS,
        "To a healthy module on a batch of one class it says True. Raise a ValueError.",
    ),
    "looks at one batch, trains on another": (
        NEXT + REFUSE + OVERFIT + SAYS,
        "To a broken module, shuffled data that is ordered by class it says True.",
    ),
    "a limit, so fresh batches": (
        NEXT
        + REFUSE
        + OVERFIT.replace("overfit_batches", "limit_train_batches")
        + SAYS,
        "To a healthy module, shuffled it says False. Train on one batch until",
    ),
    "a limit, and asks about another batch": (
        NEXT
        + REFUSE
        + OVERFIT.replace("overfit_batches", "limit_train_batches")
        + ANSWERS,
        "it says False. Train on one batch until it is known",
    ),
    "two batches": (
        "batches = iter(loader)\nbatch, other = next(batches), next(batches)\n"
        + REFUSE
        + ON_BATCH.replace("[batch]", "[batch, other]")
        + SAYS,
        "was trained on 2 different batches. Train on a single batch",
    ),
    "too few steps": (
        NEXT + REFUSE + ON_BATCH.replace("100", "3") + SAYS,
        "To a healthy module, shuffled it says False. Train on one batch until",
    ),
    "too many steps": (
        NEXT + REFUSE + ON_BATCH.replace("100", "300") + SAYS,
        "It trained for more than 200 steps.",
    ),
    "a goal that is nearly as high": (
        NEXT + REFUSE + ON_BATCH + SAYS.replace("0.95", "0.9"),
        "To a healthy module that can get 45 of a batch of 48 right it says True. They "
        "are 93.8% of it, and 95 % is required.",
    ),
    "all of the batch": (
        NEXT + REFUSE + ON_BATCH + SAYS.replace(">= 0.95", "== 1"),
        "To a healthy module that can get 46 of a batch of 48 right it says False.",
    ),
    "a goal that is too low": (
        NEXT + REFUSE + ON_BATCH + SAYS.replace("0.95", "0.2"),
        "it says True. Look at how much of the batch is right in the end.",
    ),
    "false where it should refuse": (
        NEXT
        + REFUSE.replace("raise ValueError('one class')", "return False")
        + ON_BATCH
        + SAYS,
        "on a batch of one class it says False. Raise a ValueError.",
    ),
    "refuses ten classes, too": (
        NEXT + REFUSE.replace("< 2", "< 10") + ON_BATCH + SAYS,
        "To a healthy module, shuffled it raises a ValueError.",
    ),
    "refuses two classes": (
        NEXT + REFUSE.replace("< 2", "< 3") + ON_BATCH + SAYS,
        "To a healthy module on two classes it raises a ValueError. Two classes are",
    ),
    "another error": (
        NEXT + REFUSE.replace("ValueError", "RuntimeError") + ON_BATCH + SAYS,
        "by_heart raised RuntimeError: one class",
    ),
    "counts the classes of the whole data set": (
        NEXT
        + "if len(loader.dataset.tensors[1].unique()) < 2:\n    raise ValueError\n"
        + ON_BATCH
        + SAYS,
        "on a batch of one class it says True. Raise a ValueError.",
    ),
    "judges by the loss's sign": (
        NEXT + REFUSE + ON_BATCH + "return trainer.global_step == 100",
        "To a module with a detached layer, shuffled it says True.",
    ),
    "returns the accuracy": (
        NEXT
        + REFUSE
        + ON_BATCH
        + "return float(trainer.callback_metrics['train_acc'])",
        "Return True or False.",
    ),
    "returns nothing": (
        NEXT + REFUSE + ON_BATCH,
        "To a healthy module, shuffled it says None. Return True or False.",
    ),
    "trains not at all": (
        "return True",
        "was trained on 0 different batches. Train on a single batch",
    ),
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
    "6.4": (HEART, RIGHT_6_4, WRONG_6_4),
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


@each_answer("practice, source", RIGHT)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer("practice, source, message", WRONG)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
