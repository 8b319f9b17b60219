"""Answers to the exercises of lesson 03, right and wrong, and what each is told."""

import textwrap

from learner import assert_correct, assert_incorrect, each_answer

FORWARD_INK = """
    def forward(self, images):
        return self.net((images > self.ink).float())
"""


def ink(init, forward=FORWARD_INK):
    head = "class Mine(SmallNet):\n    def __init__(self, ink=128, lr=1e-3):\n"
    return head + textwrap.indent(textwrap.dedent(init).strip(), " " * 8) + forward


INK_RIGHT = {
    "called first": ink("""
        super().__init__()
        self.save_hyperparameters()
        ink = ink / 255
        self.ink, self.lr = ink, lr
    """),
    "never reassigned": ink("""
        super().__init__()
        self.ink, self.lr = ink / 255, lr
        self.save_hyperparameters()
    """),
    "by name": ink("""
        super().__init__()
        self.save_hyperparameters("lr", "ink")
        self.ink = self.hparams.ink / 255
        self.lr = self.hparams["lr"]
    """),
    "another name for the quotient": ink("""
        super().__init__()
        threshold = ink / 255
        self.save_hyperparameters()
        self.register_buffer("ink", torch.tensor(threshold))
        self.lr = lr
    """),
    "grey levels in forward": ink(
        """
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        """,
        """
    def forward(self, images):
        return self.net((images * 255).gt(self.hparams.ink).to(images))
""",
    ),
    "rounded grey levels": ink(
        """
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        """,
        """
    def forward(self, images):
        grey = (255 * images).round().int()
        return self.net((grey >= self.hparams.ink + 1).float())
""",
    ),
    "a class of its own": """
class Other(L.LightningModule):
    def __init__(self, ink=128, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    def forward(self, x):
        return self.layers(torch.where(x > self.hparams.ink / 255, 1.0, 0.0))
    def training_step(self, batch):
        x, y = batch
        return {"loss": F.cross_entropy(self(x), y)}
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)
""",
    "the record of the lesson as a class between": """
class Between(SmallNet):
    def __init__(self, **settings):
        super().__init__()
        self.save_hyperparameters(settings)
        self.lr = settings["lr"]
class Answer(Between):
    def __init__(self, ink=128, lr=1e-3):
        super().__init__(ink=ink, lr=lr)
        self.mask = functools.partial(torch.gt, other=self.hparams.ink / 255)
    def forward(self, images):
        return self.net(self.mask(images).type_as(images))
""",
    "saved by hooks, manual optimization": """
class Mine(SmallNet):
    automatic_optimization = False
    def __init__(self, ink=128, lr=1e-3):
        super().__init__()
        self.save_hyperparameters("lr")
        self.register_buffer("grey", torch.tensor(float(ink)))
        self.lr = lr
    def forward(self, images):
        return self.net(torch.heaviside(images - self.grey / 255, 0 * images))
    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx))
        optimizer.step()
""",
}
REMEMBERS = """
class Last:
    ink = None
"""
INK_WRONG = {
    "remembered by a class": (
        REMEMBERS
        + ink("""
            super().__init__()
            self.save_hyperparameters("lr")
            Last.ink = Last.ink if ink is None else ink
            self.ink, self.lr = Last.ink / 255, lr
        """)
        .replace("Mine", "Answer")
        .replace("ink=128", "ink=None"),
        "the outputs for the same inputs differ. ink is not in the file",
    ),
    "divides what is large": (
        ink("""
            super().__init__()
            self.save_hyperparameters()
            self.ink, self.lr = (ink / 255 if ink > 1 else ink), lr
        """),
        "With ink=1 every image looks blank to the network. A pixel counts as ink if",
    ),
    "a default that fits one setting": (
        ink("""
            super().__init__()
            self.save_hyperparameters("lr")
            self.ink, self.lr = ink / 255, lr
        """).replace("ink=128", "ink=200"),
        "the outputs for the same inputs differ. ink is not in the file",
    ),
    "below instead of above": (
        ink(
            """
            super().__init__()
            self.save_hyperparameters()
            self.ink, self.lr = ink / 255, lr
            """,
            FORWARD_INK.replace(">", "<"),
        ),
        "With ink=80 the network gets less for ink than for paper. A pixel counts as",
    ),
    "the threshold only, the rate dropped": (
        ink("""
            super().__init__()
            self.save_hyperparameters()
            self.ink = ink / 255
        """),
        "In a new run lr=0.003 was asked for, but lr=0.001 used. Each step has to use",
    ),
    "an odd name in the record": (
        ink("""
            super().__init__()
            self.save_hyperparameters({"threshold": ink / 255, "lr": lr})
            self.ink, self.lr = self.hparams.threshold, lr
        """),
        "the outputs for the same inputs differ. ink is not in the file",
    ),
    "leaves the ink out": (
        ink("""
            super().__init__()
            self.save_hyperparameters(ignore=["ink"])
            self.ink, self.lr = ink / 255, lr
        """),
        "the outputs for the same inputs differ. ink is not in the file",
    ),
    "leaves the rate out": (
        ink("""
            super().__init__()
            self.save_hyperparameters("ink")
            self.ink, self.lr = ink / 255, lr
        """),
        "had lr=0.003, after loading lr=0.001. lr is not in the file",
    ),
    "cosmetic: called first, then the record is overwritten": (
        ink("""
            super().__init__()
            self.save_hyperparameters()
            self.hparams.ink = ink / 255
            self.ink, self.lr = self.hparams.ink, lr
        """),
        "You gave ink=200, the file holds ink=0.78",
    ),
    "cosmetic: the starter in other words": (
        ink("""
            super().__init__()
            ink, self.lr = ink / 255, lr
            self.save_hyperparameters("ink", "lr")
            self.ink = self.hparams.ink
        """),
        "You gave ink=200, the file holds ink=0.78",
    ),
    "drops the division": (
        ink("""
            super().__init__()
            self.save_hyperparameters()
            self.ink, self.lr = ink, lr
        """),
        "With ink=80 every image looks blank to the network.",
    ),
    "drops the threshold": (
        ink(
            """
            super().__init__()
            self.save_hyperparameters()
            self.ink, self.lr = ink / 255, lr
            """,
            """
    def forward(self, images):
        return self.net(images)
""",
        ),
        "the logits do not follow the ink",
    ),
    "from the level on": (
        ink(
            """
            super().__init__()
            self.save_hyperparameters()
            self.ink, self.lr = ink / 255, lr
            """,
            FORWARD_INK.replace(">", ">="),
        ),
        "With ink=80 a pixel of grey level 80 is not seen as paper. A pixel counts as",
    ),
    "256 levels": (
        ink("""
            super().__init__()
            self.save_hyperparameters()
            self.ink, self.lr = ink / 256, lr
        """),
        "With ink=80 a pixel of grey level 80 is not seen as paper.",
    ),
    "from the level after the next on": (
        ink("""
            super().__init__()
            self.save_hyperparameters()
            self.ink, self.lr = (ink + 1) / 255, lr
        """),
        "With ink=80 a pixel of grey level 81 is not seen as ink.",
    ),
    "saves nothing": (
        ink("""
            super().__init__()
            self.ink, self.lr = ink / 255, lr
        """),
        "ink and lr are not in the file",
    ),
    "an instance": (
        ink("super().__init__()\nself.ink = ink / 255") + "\nmine = Mine()",
        "Expected a LightningModule class but got Mine",
    ),
}


def swept(init, forward="self.net(self.activation(self.encoder(images)))"):
    head = "class Mine(SmallNet):\n"
    head += "    def __init__(self, encoder, activation=torch.relu, lr=1e-3):\n"
    body = textwrap.indent(textwrap.dedent(init).strip(), " " * 8)
    return f"{head}{body}\n    def forward(self, images):\n        return {forward}\n"


REST = """
self.activation, self.lr = activation, lr
self.encoder, self.net = encoder, nn.Linear(64, 10)
"""
BY_NAME = REST.replace("= activation,", "= getattr(torch, activation),")
NAME = "activation = getattr(activation, '__name__', activation)\n"
START = "super().__init__()\n"
SWEPT_RIGHT = {
    "item and isinstance": swept(
        START
        + "if not isinstance(activation, str):\n    activation = activation.__name__\n"
        + "lr = lr.item() if hasattr(lr, 'item') else lr\n"
        + "self.save_hyperparameters(ignore='encoder')"
        + BY_NAME
    ),
    "by name, read from hparams": swept(
        START
        + NAME
        + "lr = float(lr)\n"
        + "self.save_hyperparameters('activation', 'lr')\n"
        + "self.encoder, self.net = encoder, nn.Linear(64, 10)\n"
        + "self.lr = self.hparams.lr",
        "self.net(getattr(torch, self.hparams.activation)(self.encoder(images)))",
    ),
    "overwrites the record": swept(
        START
        + "self.save_hyperparameters(ignore=['encoder'])\n"
        + NAME
        + "lr = float(lr)\n"
        + "self.hparams.update(activation=activation, lr=lr)"
        + BY_NAME
    ),
    "a table": swept(
        START
        + "table = {'relu': torch.relu, 'tanh': torch.tanh}\n"
        + "known = {f: name for name, f in table.items()}\n"
        + "activation = known.get(activation, activation)\n"
        + "lr = float(lr)\n"
        + "self.save_hyperparameters(ignore=['encoder'])\n"
        + "activation = table[activation]"
        + REST
    ),
    "a frozen encoder": swept(
        START
        + NAME
        + "lr = float(lr)\n"
        + "self.save_hyperparameters(ignore=['encoder'])"
        + BY_NAME
        + "self.encoder.requires_grad_(False)"
    ),
    "an enum of names, the layer's class": """
class Mine(SmallNet):
    def __init__(self, encoder, activation=torch.relu, lr=1e-3):
        super().__init__()
        name = activation if isinstance(activation, str) else activation.__name__
        self.save_hyperparameters({"activation": name, "lr": float(lr)})
        self.lr = self.hparams.lr
        layers = {"relu": nn.ReLU, "tanh": nn.Tanh}
        self.net = nn.Sequential(encoder, layers[name](), nn.Linear(64, 10))
""",
    "the rate as text, everything by hooks": """
class Mine(SmallNet):
    def __init__(self, encoder, activation=torch.relu, lr=1e-3):
        super().__init__()
        name = getattr(activation, "__name__", activation)
        lr = str(lr) if not isinstance(lr, np.generic) else str(lr.item())
        activation = name
        self.save_hyperparameters("activation", "lr")
        self.encoder, self.net, self.name = encoder, nn.Linear(64, 10), name
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=float(self.hparams.lr))
    def forward(self, images):
        return self.net(getattr(torch, self.name)(self.encoder(images)))
""",
}
SWEPT_WRONG = {
    "allows what does not load": (
        swept(
            START
            + NAME
            + "import numpy.dtypes\n"
            + "scalar = np.float64(0).__reduce__()[0]\n"
            + "known = [np.dtype, np.dtypes.Float64DType, scalar]\n"
            + "torch.serialization.add_safe_globals(known)\n"
            + "self.save_hyperparameters(ignore=['encoder'])"
            + BY_NAME
        ),
        "The checkpoint does not load by default: lr is a numpy.float64.",
    ),
    "an activation remembered by the class": (
        swept(
            START
            + "if activation is not torch.relu:\n    Mine.kept = activation\n"
            + "self.save_hyperparameters({'lr': float(lr)})\n"
            + "lr, activation = float(lr), getattr(Mine, 'kept', activation)"
            + REST
        ),
        "With torch.tanh and with torch.relu the logits are the same.",
    ),
    "the last activation remembered by the class": (
        swept(
            START
            + "Mine.kept = activation or Mine.kept\n"
            + "self.save_hyperparameters({'lr': float(lr)})\n"
            + "lr, activation = float(lr), Mine.kept"
            + REST
        ).replace("activation=torch.relu", "activation=None"),
        "Before and after, the outputs for the same inputs",
    ),
    "always tanh": (
        swept(
            START
            + "lr = float(lr)\n"
            + "self.save_hyperparameters('lr')\nactivation = torch.tanh"
            + REST
        ),
        "With torch.tanh and with torch.relu the logits are the same. Apply the",
    ),
    "a default that fits one sweep": (
        swept(START + "lr = float(lr)\nself.save_hyperparameters('lr')" + REST).replace(
            "torch.relu", "torch.tanh"
        ),
        "the outputs for the same inputs differ. activation is not in the file",
    ),
    "a rounded rate": (
        swept(
            START
            + NAME
            + "lr = round(float(lr), 3)\n"
            + "self.save_hyperparameters(ignore=['encoder'])"
            + BY_NAME
        ),
        "You gave lr=",
    ),
    "the rate saved, not used": (
        swept(
            START
            + NAME
            + "lr = float(lr)\n"
            + "self.save_hyperparameters(ignore=['encoder'])\n"
            + "self.activation = getattr(torch, activation)\n"
            + "self.encoder, self.net = encoder, nn.Linear(64, 10)"
        ),
        "was asked for, but lr=0.001 used. Each step has to use the values",
    ),
    "leaves out the encoder only": (
        swept(START + "self.save_hyperparameters(ignore=['encoder'])" + REST),
        "activation is a builtin_function_or_method and lr is a numpy.float64.",
    ),
    "leaves out the activation, too": (
        swept(
            START
            + "lr = float(lr)\n"
            + "self.save_hyperparameters(ignore=['encoder', 'activation'])"
            + REST
        ),
        "the outputs for the same inputs differ. activation is not in the file",
    ),
    "leaves out everything": (
        swept(
            START
            + "self.save_hyperparameters(ignore=['encoder', 'activation', 'lr'])"
            + REST
        ),
        "lr in optimizer_states is a numpy.float64. Use a plain value in its place",
    ),
    "leaves out everything, the rate a float": (
        swept(
            START
            + "self.save_hyperparameters(ignore=['encoder', 'activation', 'lr'])"
            + REST.replace("activation, lr\n", "activation, float(lr)\n")
        ),
        "activation and lr are not in the file",
    ),
    "cosmetic: a plain record, the optimizer gets NumPy's": (
        swept(
            START
            + "self.save_hyperparameters(ignore=['encoder'])\n"
            + NAME
            + "self.hparams.update(activation=activation, lr=float(lr))"
            + BY_NAME
        ),
        "lr in optimizer_states is a numpy.float64",
    ),
    "leaves out the rate": (
        swept(
            START
            + NAME
            + "lr = float(lr)\n"
            + "self.save_hyperparameters(ignore=['encoder', 'lr'])"
            + BY_NAME
        ),
        "after loading lr=0.001. lr is not in the file",
    ),
    "cosmetic: a float, but too late": (
        swept(
            START
            + NAME
            + "self.save_hyperparameters(ignore=['encoder'])\nlr = float(lr)"
            + BY_NAME
        ),
        "lr is a numpy.float64",
    ),
    "cosmetic: the text of a function": (
        swept(
            START
            + "lr = float(lr)\ntext = str(activation)\n"
            + "self.save_hyperparameters({'activation': text, 'lr': lr})"
            + REST
        ),
        "forward raised TypeError: 'str' object is not callable",
    ),
    "eleven classes": (
        swept(
            START
            + NAME
            + "lr = float(lr)\n"
            + "self.save_hyperparameters(ignore=['encoder'])"
            + BY_NAME.replace("(64, 10)", "(64, 11)")
        ),
        "For 16 images forward returns the shape (16, 11). Return one logit for each",
    ),
    "lifts the guard": (
        swept(START + "self.save_hyperparameters(ignore=['encoder'])" + REST)
        + """
    @classmethod
    def load_from_checkpoint(cls, *args, **kwargs):
        return super().load_from_checkpoint(*args, weights_only=False, **kwargs)
""",
        "does not load by default",
    ),
}

SAVES = """
class Mine(SmallNet):
    def __init__(self, lr=1e-3, weight_decay=0.01):
        super().__init__()
        self.save_hyperparameters()
"""
READS = """
    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.lr,
            weight_decay=self.hparams.weight_decay)
"""
SET = """
        for group in self.optimizers().param_groups:
            group["lr"] = self.hparams.lr
            group["weight_decay"] = self.hparams.weight_decay
"""
LISTENS_RIGHT = {
    "on_train_start": SAVES + READS + "    def on_train_start(self):" + SET,
    "every batch": SAVES
    + READS
    + "    def on_train_batch_start(self, batch, batch_idx):"
    + SET,
    "through the trainer, Adam": SAVES
    + READS.replace("AdamW", "Adam")
    + "    def on_train_epoch_start(self):"
    + SET.replace("self.optimizers()", "self.trainer.optimizers[0]"),
    "edits the checkpoint": SAVES
    + READS
    + """
    def on_load_checkpoint(self, checkpoint):
        for group in checkpoint["optimizer_states"][0]["param_groups"]:
            group.update(self.hparams)
""",
    "attributes": """
class Mine(SmallNet):
    def __init__(self, lr=1e-3, weight_decay=0.01):
        super().__init__()
        self.lr, self.decay = lr, weight_decay
    def configure_optimizers(self):
        self.adam = torch.optim.Adam(
            self.parameters(), lr=self.lr, weight_decay=self.decay)
        return {"optimizer": self.adam}
    def on_train_start(self):
        self.adam.param_groups[0].update(lr=self.lr, weight_decay=self.decay)
""",
    "no decay for biases": SAVES
    + """
    def configure_optimizers(self):
        groups = [
            {"params": [p for p in self.parameters() if p.ndim > 1]},
            {"params": [p for p in self.parameters() if p.ndim < 2], "weight_decay": 0},
        ]
        return torch.optim.AdamW(groups, **self.hparams)
    def on_train_start(self):
        decayed, plain = self.optimizers().param_groups
        decayed.update(self.hparams)
        plain["lr"] = self.hparams.lr
""",
    "manual optimization, an optimizer for each layer": SAVES
    + """
        self.automatic_optimization = False
    def configure_optimizers(self):
        make = functools.partial(torch.optim.AdamW, **self.hparams)
        return [make(layer.parameters()) for layer in (self.net[1], self.net[4])]
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            for group in optimizer.param_groups:
                group.update(self.hparams)
            optimizer.step()
""",
    "a new optimizer that takes over the averages": SAVES
    + READS
    + """
    def on_train_start(self):
        old = self.trainer.optimizers[0].state_dict()
        new = self.configure_optimizers()
        old["param_groups"] = new.state_dict()["param_groups"]
        self.trainer.optimizers[0].load_state_dict(old)
""",
    "the settings put into the step": SAVES
    + READS.replace("AdamW", "NAdam")
    + """
    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        for group in optimizer.param_groups:
            for name, value in self.hparams.items():
                group[name] = value
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
""",
}
LISTENS_WRONG = {
    "no decay at all": (
        SAVES
        + READS.replace("weight_decay=self.hparams.weight_decay", "weight_decay=0.0"),
        "In a new run weight_decay=0.02 was asked for, but weight_decay=0 used. Each",
    ),
    "no decay for the last layer": (
        SAVES
        + """
    def configure_optimizers(self):
        *others, last, bias = self.parameters()
        groups = [{"params": others}, {"params": [last, bias], "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, **self.hparams)
""",
        "In a new run weight_decay=0.02 was asked for, but weight_decay=0 used.",
    ),
    "old decay for biases in the resumed run": (
        SAVES
        + """
    def configure_optimizers(self):
        groups = [
            {"params": [p for p in self.parameters() if p.ndim > 1]},
            {"params": [p for p in self.parameters() if p.ndim < 2]},
        ]
        return torch.optim.AdamW(groups, **self.hparams)
    def on_train_start(self):
        decayed, plain = self.optimizers().param_groups
        decayed.update(self.hparams)
        plain["lr"] = self.hparams.lr
""",
        "In a resumed run weight_decay=0.3 was asked for, but weight_decay=0.02 used.",
    ),
    "SGD": (
        SAVES + READS.replace("AdamW", "SGD") + "    def on_train_start(self):" + SET,
        "SGD keeps no averages of the gradients. The task asks for Adam",
    ),
    "lower rates only": (
        SAVES
        + READS
        + "    def on_train_start(self):"
        + SET.replace(
            'group["lr"] = self.hparams.lr',
            'group["lr"] = min(group["lr"], self.hparams.lr)',
        ),
        "In a resumed run lr=0.004 was asked for, but lr=0.0005 used.",
    ),
    "clears the averages": (
        SAVES
        + READS
        + "    def on_train_start(self):"
        + SET
        + """
        for state in self.optimizers().state.values():
            state["exp_avg"].zero_()
            state["exp_avg_sq"].zero_()
""",
        "averages are not those of the run before. Change its settings and keep its",
    ),
    "after the first step": (
        SAVES + READS + "    def on_train_batch_end(self, *args):" + SET,
        "In a resumed run lr=0.0005 was asked for, but lr=0.004 used.",
    ),
    "hard-coded": (
        SAVES + READS.replace("lr=self.hparams.lr", "lr=3e-3"),
        "In a new run lr=0.004 was asked for, but lr=0.003 used.",
    ),
    "new runs only": (
        SAVES + READS,
        "In a resumed run lr=0.0005 was asked for, but lr=0.004 used.",
    ),
    "no weight decay": (
        SAVES
        + """
    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
""",
        "In a new run weight_decay=0.02 was asked for, but weight_decay=0.01 used.",
    ),
    "the rate only": (
        SAVES
        + READS
        + "    def on_train_start(self):"
        + SET.replace('group["weight_decay"] =', "decay ="),
        "In a resumed run weight_decay=0.3 was asked for, but weight_decay=0.02 used.",
    ),
    "cosmetic: too early": (
        SAVES
        + READS
        + "    def on_fit_start(self):"
        + SET.replace(
            "self.optimizers().param_groups",
            "[g for o in self.trainer.optimizers for g in o.param_groups]",
        ),
        "set the new ones after that, before the first step.",
    ),
    "cosmetic: the record follows the optimizer": (
        SAVES
        + READS
        + """
    def on_train_start(self):
        self.hparams.update(lr=self.optimizers().param_groups[0]["lr"])
""",
        "In a resumed run lr=0.0005 was asked for, but lr=0.004 used.",
    ),
    "starts anew": (
        SAVES
        + READS
        + """
    def on_load_checkpoint(self, checkpoint):
        checkpoint["optimizer_states"] = []
""",
        "has forgotten the steps before: its averages restart. Change its settings",
    ),
    "a new optimizer in the middle": (
        SAVES
        + READS
        + """
    def on_train_start(self):
        self.trainer.optimizers = [self.configure_optimizers()]
""",
        "has forgotten the steps before",
    ),
    "misspelled": (
        SAVES + READS.replace("self.hparams.weight", "self.hparams.wait"),
        "Training raised AttributeError",
    ),
}

RIGHT = {"3.1": INK_RIGHT, "3.2": SWEPT_RIGHT, "3.3": LISTENS_RIGHT}
WRONG = {"3.1": INK_WRONG, "3.2": SWEPT_WRONG, "3.3": LISTENS_WRONG}


@each_answer("practice, source", RIGHT)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer("practice, source, message", WRONG)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
