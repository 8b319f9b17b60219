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
    "returns the state dict": train(ALL).replace(
        "return model", "return model.state_dict()"
    ),
}
OTHER = "tensors different. Seed every generator"
SAME = "Seeds 3 and 4 end with the very same weights."
TRAIN_WRONG = {
    "the model first": (train(after=ALL), OTHER),
    "torch alone": (train("torch.manual_seed(seed)", loader=INSIDE), OTHER),
    "ORDER stays": (train(ALL, loader="generator=ORDER"), OTHER),
    "the model from a fixed seed": (
        train("L.seed_everything(42, verbose=False)"),
        SAME,
    ),
    "cosmetic: a deterministic trainer and workers": (
        train(after="L.seed_everything(seed, workers=True, verbose=False)").replace(
            "max_epochs=1", "max_epochs=1, deterministic=True"
        ),
        OTHER,
    ),
    "cosmetic: renamed": (
        train(after="torch.manual_seed(seed)", loader="generator=ORDER").replace(
            "model", "network"
        ),
        OTHER,
    ),
    "a generator by default argument": (
        train(ALL, loader="generator=order").replace("(seed):", "(seed, order=ORDER):"),
        OTHER,
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
        OTHER,
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
RACE = "repetitions of one gradient gave other bits. Threads add up"
PAIRS_WRONG = {
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
        "The table's gradient is not the original one.",
    ),
    "learns from a column only": (
        pairs("""
            still = F.embedding(8 * left + right, self.table.detach().flatten(0, 1))
            rows = F.embedding(8 * left + right, self.table.flatten(0, 1))
            rows = torch.cat([rows[..., :1, :], still[..., 1:, :]], dim=-2)
            return self.out(rows.flatten(1))
        """),
        "The table's gradient is not the original one.",
    ),
    "left and right exchanged": (
        pairs("""
            rows = F.embedding(8 * right + left, self.table.flatten(0, 1))
            return self.out(rows.flatten(1))
        """),
        "The logits are not those of the original network.",
    ),
    "does not learn the table": (
        pairs(EMBED.replace("self.table.", "self.table.detach().")),
        "The table gets no gradient. Let the table learn.",
    ),
    "another table": (
        pairs(EMBED, init="self.table = nn.Parameter(torch.randn(8, 8, 4))"),
        "The table of 8 x 8 vectors is gone; change forward only.",
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
BITS = "Resumed at batch 4, the run ends with 4 of 4 tensors different"
NOISE_WRONG = {
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
    "the same noise": (
        noisy(
            noise="0.3 * torch.randn(images.shape, generator="
            "torch.Generator().manual_seed(0))"
        ),
        "The steps add the same noise.",
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
