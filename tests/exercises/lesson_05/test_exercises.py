"""Answers to the exercises of lesson 05, right and wrong, and what each is told."""

import textwrap

from learner import assert_correct, assert_incorrect, each_answer


def train(before="", model="", after="", loader="", kept="np.random.permutation(640)"):
    """Return a `train` with lines before and after the model, and a loader's order."""
    return f"""
ORDER = torch.Generator().manual_seed(0)
def train(seed):
    {before}
    {model or "model = DigitNet()"}
    {after}
    data = ImageDataModule(train_size=640)
    kept = {kept}[:320]
    images, labels = scaled(data.train_images[kept]), data.train_labels[kept]
    loader = DataLoader(
        TensorDataset(images, labels), batch_size=32, shuffle=True, {loader})
    L.Trainer(max_epochs=1, **quiet_trainer()).fit(model, loader)
    return model
"""


ALL = "L.seed_everything(seed, verbose=False)"
INSIDE = "generator=torch.Generator().manual_seed(seed)"
LOOP = f"""
class Net(DigitNet):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

def train(seed):
    random.seed(seed); {ALL}
    data, model = ImageDataModule(train_size=640), Net()
    kept = random.sample(range(640), 320)
    images, labels = scaled(data.train_images[kept]), data.train_labels[kept]
    optimizer = model.configure_optimizers()
    for places in torch.randperm(320).split(32):
        optimizer.zero_grad()
        model.training_step((images[places], labels[places]), 0).backward()
        optimizer.step()
    return model.eval()
"""
TRAIN_RIGHT = {
    "no generator": train(ALL),
    "a generator inside": train(ALL, loader=INSIDE),
    "a generator inside with a fixed seed": train(
        ALL, loader="generator=torch.Generator().manual_seed(0)"
    ),
    "each generator by hand": train(
        "np.random.seed(seed); torch.manual_seed(seed)", loader=INSIDE
    ),
    "ORDER begins anew": train(
        ALL + "; ORDER.manual_seed(seed)", loader="generator=ORDER"
    ),
    "images chosen by torch": train(
        ALL + "; order = torch.randperm(640)", kept="order"
    ),
    "restores the caller's state": """
def train(seed):
    with preserve_global_state():
        L.seed_everything(seed, verbose=False)
        data, model = ImageDataModule(train_size=640), DigitNet()
        kept = torch.randperm(640)[:320].numpy()
        images, labels = scaled(data.train_images[kept]), data.train_labels[kept]
        loader = DataLoader(TensorDataset(images, labels), 32, shuffle=True)
        L.Trainer(max_epochs=1, **quiet_trainer()).fit(model, loader)
    return model
""",
    "a loop by hand": LOOP,
    "NumPy's new generators": f"""
def train(seed):
    rng = np.random.default_rng(seed)
    {ALL}
    data = ImageDataModule(train_size=640)
    kept = rng.choice(640, 320, replace=False)
    images, labels = scaled(data.train_images[kept]), data.train_labels[kept]
    batches = torch.utils.data.BatchSampler(
        torch.utils.data.RandomSampler(images, generator=torch.Generator()),
        32, False)
    loader = DataLoader(TensorDataset(images, labels), batch_sampler=batches)
    net = DigitNet()
    L.Trainer(max_epochs=1, **quiet_trainer()).fit(net, loader)
    return net
""",
    "a callable object": train(ALL)
    + """
class Trains:
    def __call__(self, seed):
        return train(seed)
Answer = Trains()
""",
    "a partial of a function with settings": train(ALL).replace(
        "(seed):", "(settings, seed):"
    )
    + "import functools\nAnswer = functools.partial(train, {'lr': 1})\n",
    "returns the state dict": train(ALL).replace(
        "return model", "return model.state_dict()"
    ),
}
OTHER = "4 of 4 tensors different, "
LIVES_ON = OTHER + "though all global generators began in the same state. Make"
TORCHS = OTHER + "as the global state of torch's generator began otherwise. Seed every"
NUMPYS = OTHER + "as the global state of NumPy's generator began otherwise. Seed every"
SAME = "Seeds 3 and 4 end with the very same weights."
TRAIN_WRONG = {
    "returns a copy of what it once trained": (
        train().replace("train(seed)", "fit(seed)")
        + """
import copy
kept = {}
def train(seed):
    if seed not in kept:
        kept[seed] = fit(seed)
    return copy.deepcopy(kept[seed])
""",
        "The first call made 10 steps of an optimizer, the second 0. Train a new",
    ),
    "only two seeds": (
        train("L.seed_everything(seed % 2, verbose=False)"),
        "Seeds 3 and 21 end with the very same weights.",
    ),
    "Python's generator forgotten": (
        LOOP.replace("random.seed(seed); ", "").replace(
            ALL, "np.random.seed(seed); torch.manual_seed(seed)"
        ),
        OTHER + "as the global state of Python's generator began otherwise.",
    ),
    "a generator of NumPy without a seed": (
        train(ALL, kept="np.random.default_rng().permutation(640)"),
        LIVES_ON,
    ),
    "counts its calls": (
        train("global calls; calls += 1; L.seed_everything(seed + calls)")
        + "\ncalls = 0\n",
        LIVES_ON,
    ),
    "seeds once": (
        train(
            "global done; done or L.seed_everything(seed, verbose=False); done = True"
        )
        + "\ndone = False\n",
        "4 of 4 tensors different, ",
    ),
    "the model first": (train(after=ALL), TORCHS),
    "torch alone": (train("torch.manual_seed(seed)", loader=INSIDE), NUMPYS),
    "ORDER stays": (train(ALL, loader="generator=ORDER"), LIVES_ON),
    "the model from a fixed seed": (
        train("L.seed_everything(42, verbose=False)"),
        SAME,
    ),
    "cosmetic: a deterministic trainer and workers": (
        train(after="L.seed_everything(seed, workers=True, verbose=False)").replace(
            "max_epochs=1", "max_epochs=1, deterministic=True"
        ),
        TORCHS,
    ),
    "cosmetic: renamed": (
        train(after="torch.manual_seed(seed)", loader="generator=ORDER").replace(
            "model", "network"
        ),
        LIVES_ON,
    ),
    "a generator by default argument": (
        train(ALL, loader="generator=order").replace("(seed):", "(seed, order=ORDER):"),
        LIVES_ON,
    ),
    "returns what it once trained": (
        train().replace("train(seed)", "fit(seed)")
        + """
kept = {}
def train(seed):
    if seed not in kept:
        kept[seed] = fit(seed)
    return kept[seed]
""",
        "The second call returned the very object that the first one returned.",
    ),
    "trains nothing": (
        f"def train(seed):\n    {ALL}\n    return DigitNet()",
        "The function returns a network that no optimizer has touched.",
    ),
    "a seed of its own for the order": (
        train(ALL, loader="generator=torch.Generator().manual_seed(torch.seed())"),
        LIVES_ON,
    ),
    "forgets to return": (
        train(ALL).replace("return model", "pass"),
        "Expected a trained module but got NoneType; return it.",
    ),
    "misspelled": (
        train("L.seed_everythin(seed)"),
        "train raised AttributeError",
    ),
    "a class": ("class Train: pass", "Expected a function but got type"),
}

TABLE = """
class Mine(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(0.1 * torch.randn(8, 8, 16))
        self.out = nn.Linear(14 * 13 * 16, 10)

    def forward(self, images):
        levels = (F.avg_pool2d(images, 2) * 7).round().long()
        left, right = levels[..., :-1], levels[..., 1:]
"""


def pairs(body, init=""):
    source = TABLE + textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
    return source.replace("\n\n    def forward", f"\n        {init}\n\n    def forward")


EMBED = """
    rows = F.embedding(8 * left + right, self.table.flatten(0, 1))
    return self.out(rows.flatten(1))
"""
PAIRS_RIGHT = {
    "embedding": pairs(EMBED),
    "one-hot": pairs("""
        chosen = F.one_hot(left * 8 + right, 64).float()
        return self.out((chosen @ self.table.view(64, 16)).flatten(1))
    """),
    "two one-hots": pairs("""
        l, r = F.one_hot(left, 8).float(), F.one_hot(right, 8).float()
        rows = torch.einsum("bchwl,bchwr,lrd->bchwd", l, r, self.table)
        return self.out(rows.flatten(1))
    """),
    "index_select": pairs("""
        row = (left * 8 + right).flatten()
        rows = self.table.flatten(0, 1).index_select(0, row)
        return self.out(rows.view(len(images), -1))
    """),
    "rows gathered": pairs("""
        row = (left * 8 + right).reshape(-1, 1).expand(-1, 16)
        chosen = torch.zeros(len(row), 64).scatter(1, row[:, :1], 1.0)
        rows = chosen @ self.table.reshape(64, 16)
        return self.out(rows.reshape(len(images), -1))
    """),
    "nn.Embedding": pairs(
        "return self.out(self.table(left * 8 + right).flatten(1))",
        init="del self.table; self.table = nn.Embedding(64, 16)",
    ),
}
RACE = "Threads add up the rows of an indexed table in any order; look values up by"
PAIRS_RIGHT |= {
    "a table of tables": pairs("""
        first = F.embedding(left, self.table.flatten(1)).unflatten(-1, (8, 16))
        chosen = F.one_hot(right, 8).to(first)[..., None, :]
        return self.out((chosen @ first).squeeze(-2).flatten(1))
    """),
    "a method of its own": pairs("return self.out(self.look_up(left, right))")
    + """
    def look_up(self, left, right):
        rows = nn.functional.embedding(left.mul(8).add(right), self.table.view(64, -1))
        return torch.flatten(rows, start_dim=1)
""",
    "an own gradient": """
class Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, table, rows):
        ctx.save_for_backward(rows)
        return table[rows]
    @staticmethod
    def backward(ctx, grad):
        chosen = F.one_hot(ctx.saved_tensors[0].flatten(), 64).float()
        return chosen.T @ grad.reshape(-1, 16), None

"""
    + pairs("""
        rows = Rows.apply(self.table.flatten(0, 1), 8 * left + right)
        return self.out(rows.flatten(1))
    """),
}
PAIRS_WRONG = {
    "brackets in double precision, which hides the race": (
        pairs("""
            rows = self.table.double()[left, right].float()
            return self.out(rows.flatten(1))
        """),
        RACE,
    ),
    "detaches the last layer's weights": (
        pairs(
            EMBED.replace(
                "self.out(rows.flatten(1))",
                "F.linear(rows.flatten(1), self.out.weight.detach(), self.out.bias)",
            )
        ),
        "out.weight gets no gradient. Let it learn.",
    ),
    "squeezes a batch of one": (
        pairs(
            EMBED.replace(
                "rows.flatten(1)", "rows.squeeze().reshape(-1, 2912).squeeze()"
            )
        ),
        "The logits of 1 image are not those of the original network.",
    ),
    "takes nine grey levels for one": (
        pairs("left = left.clamp(max=6)\n" + textwrap.dedent(EMBED)),
        "The logits of 64 images are not those of the original network.",
    ),
    "scatters with indexes": (
        pairs("""
            rows = torch.index_put(
                torch.zeros(*left.shape, 16), (torch.tensor(0),),
                self.table[left[0], right[0]])
            rows = self.table.flatten(0, 1)[8 * left + right] + 0 * rows
            return self.out(rows.flatten(1))
        """),
        RACE,
    ),
    "another last layer": (
        pairs(EMBED, init="self.out = nn.Linear(14 * 13 * 16, 10, bias=False)"),
        "The layer `out` is gone; change forward only.",
    ),
    "the mode, in a block": (
        pairs("""
            torch.use_deterministic_algorithms(True)
            rows = self.table[left, right]
            torch.use_deterministic_algorithms(False)
            return self.out(rows.flatten(1))
        """),
        RACE,
    ),
    "brackets on the flat table": (
        pairs("""
            rows = self.table.flatten(0, 1)[left * 8 + right]
            return self.out(rows.flatten(1))
        """),
        RACE,
    ),
    "cosmetic: renamed": (
        pairs("""
            first, second = left, right
            return self.out(self.table[first, second].flatten(1))
        """),
        RACE,
    ),
    "cosmetic: seeds": (
        pairs("""
            torch.manual_seed(0)
            return self.out(self.table[left, right].clone().flatten(1))
        """),
        RACE,
    ),
    "switches the mode": (
        pairs("""
            torch.use_deterministic_algorithms(True)
            return self.out(self.table[left, right].flatten(1))
        """),
        "Your code switched deterministic mode on, for the whole process.",
    ),
    "one thread": (
        pairs("""
            torch.set_num_threads(1)
            return self.out(self.table[left, right].flatten(1))
        """),
        "Your code changed the number of threads, for the whole process.",
    ),
    "learns at half the speed": (
        pairs(
            EMBED.replace("return", "rows = rows / 2 + rows.detach() / 2\n    return")
        ),
        "The gradient of table is not the original one.",
    ),
    "learns from a column only": (
        pairs("""
            still = F.embedding(8 * left + right, self.table.detach().flatten(0, 1))
            rows = F.embedding(8 * left + right, self.table.flatten(0, 1))
            rows = torch.cat([rows[..., :1, :], still[..., 1:, :]], dim=-2)
            return self.out(rows.flatten(1))
        """),
        "The gradient of table is not the original one.",
    ),
    "left and right exchanged": (
        pairs("""
            rows = F.embedding(8 * right + left, self.table.flatten(0, 1))
            return self.out(rows.flatten(1))
        """),
        "The logits of 64 images are not those of the original network.",
    ),
    "does not learn the table": (
        pairs(EMBED.replace("self.table.", "self.table.detach().")),
        "table gets no gradient. Let it learn.",
    ),
    "another table": (
        pairs(EMBED, init="self.table = nn.Parameter(torch.randn(8, 8, 4))"),
        "The table of 8 x 8 vectors is gone; change forward only.",
    ),
    "eleven logits": (
        pairs(EMBED, init="self.out = nn.Linear(14 * 13 * 16, 11)"),
        "The layer `out` makes 11 numbers from 2912; it has to stay as it is, with 10",
    ),
    "a last layer of another width": (
        pairs(EMBED, init="self.out = nn.Linear(14 * 14 * 16, 10)"),
        "The layer `out` makes 10 numbers from 3136; it has to stay as it is, with 10",
    ),
    "forgets to return": (
        pairs(EMBED.replace("return ", "logits = ")),
        "forward returned NoneType; return the logits.",
    ),
    "a wrong shape": (
        pairs("return self.out(F.embedding(left, self.table).flatten(1))"),
        "forward raised RuntimeError",
    ),
    "a function": ("def forward(images): pass", "Expected a LightningModule class"),
}

NOISY = """
class Mine(DigitNet):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        noise = torch.from_numpy(self.rng.normal(0, 0.3, images.shape)).float()
        return F.cross_entropy(self(images + noise), labels)
"""


def noisy(save="pass", load="pass", **changes):
    source = f"""{NOISY}
    def on_save_checkpoint(self, checkpoint):
        {save}

    def on_load_checkpoint(self, checkpoint):
        {load}
"""
    for old, new in changes.items():
        source = source.replace(PLACES[old], new)
    return source


PLACES = {
    "rng": "np.random.default_rng(0)",
    "noise": "torch.from_numpy(self.rng.normal(0, 0.3, images.shape)).float()",
}
STATE = 'checkpoint["rng"] = self.rng.bit_generator.state'
SET = 'self.rng.bit_generator.state = checkpoint["rng"]'
TORCH = {
    "rng": "torch.Generator().manual_seed(0)",
    "noise": "0.3 * torch.randn(images.shape, generator=self.rng)",
}
NOISE_RIGHT = {
    "NumPy's state": noisy(STATE, SET),
    "a fresh generator, then the state": noisy(
        STATE, f"self.rng = np.random.default_rng(); {SET}"
    ),
    "a generator of torch": noisy(
        'checkpoint["noise"] = self.rng.get_state()',
        'self.rng.set_state(checkpoint["noise"])',
        **TORCH,
    ),
    "decided by the step": noisy(
        noise="0.3 * torch.randn(images.shape, generator="
        "torch.Generator().manual_seed(self.global_step))"
    ),
    "from the global generator, which the callback keeps": noisy(
        noise="0.3 * torch.randn_like(images)"
    ),
    "noise added in forward": """
class Mine(DigitNet):
    def forward(self, images):
        return self.net(images + 0.3 * torch.randn_like(images))
""",
    "the generator as bytes": noisy(
        'import pickle; checkpoint["rng"] = pickle.dumps(self.rng)',
        'import pickle; self.rng = pickle.loads(checkpoint["rng"])',
    ),
    "extra state": f"""{NOISY}
    def get_extra_state(self):
        return self.rng.bit_generator.state

    def set_extra_state(self, state):
        self.rng.bit_generator.state = state
""",
}
NOISE_RIGHT |= {
    "a callback of the module's": NOISY
    + """
    def configure_callbacks(self):
        module = self
        class Keeps(L.Callback):
            def state_dict(self):
                return {"rng": module.rng.bit_generator.state}
            def load_state_dict(self, state):
                module.rng.bit_generator.state = state["rng"]
        return [Keeps()]
""",
    "by hand, and a buffer that counts": """
class Mine(DigitNet):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.register_buffer("draws", torch.zeros((), dtype=torch.long))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        rng = np.random.default_rng(int(self.draws))
        self.draws += 1
        noise = torch.from_numpy(rng.normal(0, 0.3, images.shape)).float()
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(F.cross_entropy(self(images + noise), labels))
        optimizer.step()
""",
    "JSON": noisy(
        'import json; checkpoint["rng"] = json.dumps(self.rng.bit_generator.state)',
        'import json; self.rng.bit_generator.state = json.loads(checkpoint["rng"])',
    ),
    "a class between": NOISY.replace("class Mine", "class Base")
    + f"""
class Keeps:
    def on_save_checkpoint(self, checkpoint):
        {STATE}
    def on_load_checkpoint(self, checkpoint):
        {SET}

class Mine(Keeps, Base):
    pass
""",
}
BITS = "Resumed at batch 4, the run ends with 4 of 4 tensors different"
NOISE_WRONG = {
    "decided by the batch in the epoch": (
        noisy(
            noise="0.3 * torch.randn(images.shape, generator="
            "torch.Generator().manual_seed(batch_idx))"
        ),
        "Of 6 steps in 2 epochs, 3 add the noise of an earlier one. Draw new noise",
    ),
    "saves it when training starts": (
        noisy('checkpoint["rng"] = self.kept', SET)
        + """
    def on_train_start(self):
        self.kept = self.rng.bit_generator.state
""",
        "Resumed at batch 4, the run ends with 4 of 4 tensors different",
    ),
    "restores it in every epoch": (
        noisy(STATE, 'self.kept = checkpoint["rng"]')
        + """
    def on_train_epoch_start(self):
        if hasattr(self, "kept"):
            self.rng.bit_generator.state = self.kept
""",
        "Resumed at batch 4, the run ends with 4 of 4 tensors different",
    ),
    "a generator of torch as it is": (
        noisy('checkpoint["rng"] = self.rng', 'self.rng = checkpoint["rng"]', **TORCH),
        "does not load by default: ",
    ),
    "the generator itself": (
        noisy('checkpoint["noise"] = self.rng', 'self.rng = checkpoint["noise"]'),
        "does not load by default: noise is a numpy.Generator. Save plain values",
    ),
    "a state with an array": (
        noisy(
            'checkpoint["noise"] = self.rng.get_state()',
            'self.rng.set_state(checkpoint["noise"])',
            rng="np.random.RandomState(0)",
        ),
        "noise is a numpy.ndarray",
    ),
    "nothing is saved": (noisy(), BITS),
    "saves and never restores": (noisy(STATE), BITS),
    "cosmetic: restores another one": (
        noisy(
            STATE,
            "rng = np.random.default_rng(); rng.bit_generator.state = "
            'checkpoint["rng"]',
        ),
        BITS,
    ),
    "cosmetic: begins anew": (
        noisy(STATE, "self.rng = np.random.default_rng(0)"),
        BITS,
    ),
    "the global state instead": (
        noisy(
            'checkpoint["rng"] = torch.get_rng_state()',
            'torch.set_rng_state(checkpoint["rng"])',
        ),
        BITS,
    ),
    "no noise": (noisy(noise="0"), "The steps add no noise. Draw new noise"),
    "no step, so only the brightness": (
        noisy(STATE, SET).replace("training_step", "noisy_step"),
        "What a step adds to the images has mean ",
    ),
    "more noise": (
        noisy(STATE, SET, noise=PLACES["noise"].replace("0.3", "0.6")),
        "and deviation 0.60; the noise to keep has 0 and 0.3. Keep the noise",
    ),
    "noise that brightens": (
        noisy(STATE, SET, noise=PLACES["noise"].replace("(0,", "(1,")),
        "has mean 1.00 and deviation 0.30; the noise to keep has 0 and 0.3.",
    ),
    "the same noise": (
        noisy(
            noise="0.3 * torch.randn(images.shape, generator="
            "torch.Generator().manual_seed(0))"
        ),
        "Of 6 steps in 2 epochs, 5 add the noise of an earlier one.",
    ),
    "draws once more when it saves": (
        noisy(STATE + "; self.rng.normal()", SET),
        BITS,
    ),
    "cosmetic: the state, set on the class": (
        noisy(STATE, 'type(self).rng = checkpoint["rng"]'),
        BITS,
    ),
    "begins each epoch anew": (
        noisy()
        + """
    def on_train_epoch_start(self):
        self.rng = np.random.default_rng(self.current_epoch)
""",
        BITS,
    ),
    "a name that is not there": (
        noisy(STATE, SET.replace('"rng"', '"noise"')),
        "Resuming raised KeyError: 'noise'",
    ),
    "an instance": ("def mine(): return 1", "Expected a LightningModule class"),
}

RIGHT = {"5.1": TRAIN_RIGHT, "5.2": PAIRS_RIGHT, "5.3": NOISE_RIGHT}
WRONG = {"5.1": TRAIN_WRONG, "5.2": PAIRS_WRONG, "5.3": NOISE_WRONG}


@each_answer("practice, source", RIGHT)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer("practice, source, message", WRONG)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
