"""Answers to the exercises of lesson 01, right and wrong, and what each is told."""

from learner import assert_correct, assert_incorrect, each_answer, judged

from course_utils.exercises import api


def test_a_second_process_that_cannot_start_is_no_fault_of_the_learner(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr("course_utils.checks.several_processes.run_processes", refuse)
    result = judged("1.1", api.find("1.1").solution)
    assert result.status == "cannot be checked"
    assert "No second process could be started: no more processes." in result.message


# 1.1 ----------------------------------------------------------------------------

OWN = """
    def __init__(self):
        super().__init__()
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
"""
NONE = """
    def configure_optimizers(self):
        return None
"""
SGD = """
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
"""
STEP = """
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
"""
BY_HAND = """
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
"""
RETURN = "        return loss\n"


def module(*parts, base="ImageClassifier"):
    return f"class Answer({base}):\n" + "".join(parts)


RIGHT_1_1 = {
    "returns a dict": module(STEP, "        return {'loss': loss}\n", SGD),
    "keeps the attribute": module(
        OWN,
        STEP,
        RETURN,
        "\n    def configure_optimizers(self):\n        return self.optimizer\n",
    ),
    "with a scheduler": module(
        STEP,
        "        self.log('train_loss', loss)\n",
        RETURN,
        """
    def configure_optimizers(self):
        sgd = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        steps = torch.optim.lr_scheduler.StepLR(sgd, 1)
        return {"optimizer": sgd, "lr_scheduler": steps}
""",
    ),
    "another base class": module(
        """
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.LazyLinear(16), nn.ReLU())
        self.top = nn.Linear(16, 10)
        self(torch.zeros(1, 1, 28, 28))

    def forward(self, x):
        return self.top(self.body(x))
""",
        STEP.replace("loss", "error"),
        "        return error\n",
        SGD,
        base="L.LightningModule",
    ),
    "official manual-free hooks": module(
        STEP,
        RETURN,
        """
    def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
        optimizer.zero_grad(set_to_none=True)
""",
        SGD,
    ),
    "dropout and batch normalization": module(
        """
    def __init__(self):
        super().__init__()
        extra = [nn.BatchNorm1d(32), nn.Dropout(0.4), nn.Linear(32, 10)]
        self.layers = nn.Sequential(*self.layers[:-1], *extra)
""",
        STEP,
        RETURN,
        SGD,
    ),
    "its own backward and optimizer step, as the Trainer calls them": module(
        STEP,
        RETURN,
        SGD,
        """
    def backward(self, loss, *args, **kwargs):
        loss.backward(*args, **kwargs)

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        optimizer.step(closure=optimizer_closure)

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None,
                                    gradient_clip_algorithm=None):
        if gradient_clip_val is not None:
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)
""",
    ),
    "two parameter groups, lists": module(
        STEP,
        RETURN,
        """
    def configure_optimizers(self):
        groups = [{"params": [p]} for p in self.parameters()]
        return [torch.optim.SGD(groups, lr=0.05, momentum=0.9, foreach=True)], []
""",
    ),
    "smoothed labels, a partial optimizer, a class between": """
class Between(ImageClassifier):
    make = staticmethod(functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9))
    def loss(self, logits, labels):
        return F.cross_entropy(logits, labels, label_smoothing=0.1)
    def configure_optimizers(self):
        return dict(optimizer=self.make(self.parameters()))

class Answer(Between):
    def training_step(self, batch):
        return self.loss(self(batch[0]), batch[1])
""",
}
OVERRIDDEN = """
    def {name}(self, *args, **kwargs):
        {body}
"""


def handed_over(*parts):
    return module(STEP, RETURN, SGD, *parts)


WRONG_1_1 = {
    "Adam": (
        module(STEP, RETURN, SGD).replace(
            "SGD(self.parameters(), lr=0.1, momentum=0.9)",
            "Adam(self.parameters(), lr=1e-3)",
        ),
        "Adam updates the weights. Keep SGD with its momentum of 0.9.",
    ),
    "no momentum": (
        module(STEP, RETURN, SGD).replace(", momentum=0.9", ""),
        "SGD runs with momentum 0. Keep SGD with its momentum of 0.9.",
    ),
    "the momentum of one group": (
        module(STEP, RETURN, SGD).replace(
            "SGD(self.parameters(), ",
            "SGD([{'params': p, 'momentum': 0.9 if p.ndim > 1 else 0.5}"
            " for p in self.parameters()], ",
        ),
        "SGD runs with momentum 0.5. Keep SGD",
    ),
    "divides a second time": (
        module(
            STEP,
            "        return loss / self.trainer.accumulate_grad_batches\n",
            SGD,
        ),
        "With accumulate_grad_batches=4 the loss has 0.25 times the gradient of the "
        "batch's mean cross-entropy. Scaling, clearing and clipping gradients is",
    ),
    "divides by the old four": (
        module(STEP, "        return loss / 4\n", SGD),
        "the loss has 0.25 times the gradient",
    ),
    "divides among processes": (
        module(STEP, "        return loss / self.trainer.world_size\n", SGD),
        "With 2 processes the loss has 0.5 times the gradient",
    ),
    "sums instead of averaging": (
        module(STEP.replace(", labels)", ", labels, reduction='sum')"), RETURN, SGD),
        "the loss has 16 times the gradient",
    ),
    "clears the gradient at each batch": (
        module(STEP, "        self.zero_grad()\n", RETURN, SGD),
        "With accumulate_grad_batches=4 an update uses the last of its 4 batches "
        "alone. Scaling, clearing and clipping",
    ),
    "clears the gradient before each batch": (
        handed_over(
            OVERRIDDEN.format(
                name="on_train_batch_start",
                body="self.optimizers().zero_grad()",
            )
        ),
        "an update uses the last of its 4 batches alone.",
    ),
    "never clears the gradient": (
        handed_over(OVERRIDDEN.format(name="optimizer_zero_grad", body="pass")),
        "an update's gradient is not that of its batches.",
    ),
    "scales in backward": (
        handed_over(
            OVERRIDDEN.format(name="backward", body="(args[0] / 4).backward()")
        ),
        "With accumulate_grad_batches=4 an update's gradient has norm 0.",
    ),
    "still clips at 1": (
        handed_over(
            OVERRIDDEN.format(
                name="on_before_optimizer_step",
                body="nn.utils.clip_grad_norm_(self.parameters(), 1.0)",
            )
        ),
        "Without gradient_clip_val an update's gradient has norm 1 instead of ",
    ),
    "clips by itself and ignores the value": (
        handed_over(
            OVERRIDDEN.format(
                name="configure_gradient_clipping",
                body="nn.utils.clip_grad_norm_(self.parameters(), 0.01)",
            )
        ),
        "an update's gradient has norm 0.01 instead of ",
    ),
    "caps the value at 1": (
        handed_over(
            """
    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None,
                                    gradient_clip_algorithm=None):
        if gradient_clip_val:
            limit = min(gradient_clip_val, 1.0)
            nn.utils.clip_grad_norm_(self.parameters(), limit)
"""
        ),
        " an update's gradient has norm 1 instead of ",
    ),
    "clips each value": (
        handed_over(
            """
    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None,
                                    gradient_clip_algorithm=None):
        if gradient_clip_val:
            nn.utils.clip_grad_value_(self.parameters(), gradient_clip_val)
"""
        ),
        "the largest gradient norm is",
    ),
    "trains the last layer only": (
        module(STEP, RETURN, SGD.replace("self.para", "self.layers[-1].para")),
        "an update's gradient is not that of its batches.",
    ),
    "also returns the loss": (
        module(OWN, STEP, BY_HAND, RETURN, NONE),
        "the loss went through backward twice",
    ),
    "steps after every batch": (
        module(OWN, STEP, BY_HAND, NONE),
        "With accumulate_grad_batches=4 the optimizer made 8 updates in 8 batches; the "
        "Trainer asked for 2. Return the loss, return the optimizer from",
    ),
    "returns the loss, no optimizer": (
        module(OWN, STEP, RETURN, NONE),
        "made 0 updates in 8 batches; the Trainer asked for 2. Return the loss from "
        "training_step and the optimizer from configure_optimizers.",
    ),
    "returns the optimizer, no loss": (
        module(STEP, SGD),
        "made 0 updates in 8 batches; the Trainer asked for 2.",
    ),
    "lets both step": (
        module(OWN, STEP, BY_HAND, SGD.replace("torch.optim", "torch.optim")),
        "updates in 8 batches; the Trainer asked for 2.",
    ),
    "manual optimization": (
        module(
            "    automatic_optimization = False\n",
            STEP,
            "        optimizer = self.optimizers()\n",
            BY_HAND.replace("self.optimizer", "optimizer").replace(
                "loss.backward()", "self.manual_backward(loss)"
            ),
            SGD,
        ),
        "Automatic gradient accumulation is not supported for manual optimization.",
    ),
    "still every fourth batch": (
        module(
            OWN,
            STEP,
            """
        loss.backward()
        if (batch_idx + 1) % 4 == 0:
            self.optimizer.step()
            self.optimizer.zero_grad()
""",
            NONE,
        ),
        "With accumulate_grad_batches=1 the optimizer made 2 updates in 8 batches; the "
        "Trainer asked for 8.",
    ),
    "reads the flag itself": (
        module(
            OWN,
            STEP,
            """
        loss.backward()
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self.optimizer.step()
            self.optimizer.zero_grad()
""",
            NONE,
        ),
        "the largest gradient norm is",
    ),
    "reads both flags itself": (
        module(
            OWN,
            STEP,
            """
        loss.backward()
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            limit = self.trainer.gradient_clip_val or 1e9
            nn.utils.clip_grad_norm_(self.parameters(), limit)
            self.optimizer.step()
            self.optimizer.zero_grad()
""",
            NONE,
        ),
        "the Trainer ran no backward pass",
    ),
    "updates the weights by hand": (
        module(
            STEP,
            """
        loss.backward()
        with torch.no_grad():
            for weight in self.parameters():
                weight -= 0.1 * weight.grad
                weight.grad = None
""",
            NONE,
        ),
        "made 0 updates in 8 batches; the Trainer asked for 2. Return the loss, return",
    ),
    "does not clip": (
        module(
            STEP,
            RETURN,
            """
    def configure_gradient_clipping(self, optimizer, **options):
        pass
""",
            SGD,
        ),
        "the largest gradient norm is",
    ),
    "climbs": (
        module(STEP, "        return -loss\n", SGD),
        "Training makes the cross-entropy of the training images larger.",
    ),
}


# 1.2 ----------------------------------------------------------------------------

KEEP = """
    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels
"""
LOADERS = """
    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=64, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=64)

    def test_dataloader(self):
        return DataLoader(self.test_set, batch_size=64)
"""
SETUP = """
    def setup(self, stage):
        dataset = TensorDataset(self.images, self.labels)
        generator = torch.Generator().manual_seed(0)
        self.train_set, self.val_set, self.test_set = random_split(
            dataset, [0.7, 0.15, 0.15], generator=generator
        )
"""
UNSEEDED = SETUP.replace(", generator=generator", "")


def data(*parts, base="L.LightningDataModule"):
    return f"class Answer({base}):\n" + "".join(parts)


RIGHT_1_2 = {
    "slices of a seeded order": data(
        KEEP,
        """
    def setup(self, stage=None):
        order = np.random.default_rng(7).permutation(len(self.images))
        a, b = int(0.7 * len(order)), int(0.85 * len(order))
        full = TensorDataset(self.images, self.labels)
        self.train_set = Subset(full, order[:a].tolist())
        self.val_set = Subset(full, order[a:b].tolist())
        self.test_set = Subset(full, order[b:].tolist())
""",
        LOADERS,
    ),
    "split once, in __init__": data(
        """
    def __init__(self, images, labels):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        full = TensorDataset(images, labels)
        parts = random_split(full, [0.7, 0.15, 0.15], generator=generator)
        self.train_set, self.val_set, self.test_set = parts
""",
        LOADERS,
    ),
    "by stage": data(
        KEEP,
        SETUP.replace("def setup(self, stage)", "def split(self)"),
        """
    def setup(self, stage):
        self.split()
        if stage != "test":
            del self.test_set
        if stage == "test":
            del self.train_set, self.val_set
""",
        LOADERS,
    ),
    "every seventh, without randomness": data(
        KEEP,
        """
    def setup(self, stage):
        place = torch.arange(len(self.images)) % 20
        full = TensorDataset(self.images, self.labels)
        pick = lambda mask: Subset(full, mask.nonzero()[:, 0].tolist())
        self.train_set = pick(place < 14)
        self.val_set = pick(place >= 17)
        self.test_set = pick((place > 13) & (place < 17))
""",
        LOADERS.replace("shuffle=True", "shuffle=True, drop_last=True"),
    ),
    "a seed that leaves no trace": data(
        KEEP,
        UNSEEDED.replace(
            "        generator = torch.Generator().manual_seed(0)\n",
            "        state = torch.get_rng_state()\n        torch.manual_seed(0)\n",
        ),
        "        torch.set_rng_state(state)\n",
        LOADERS,
    ),
    "a new generator from NumPy, kept tensors, one method for all loaders": data(
        KEEP,
        """
    def setup(self, stage):
        rng = np.random.default_rng(5)
        cuts = [round(0.7 * len(self.labels)), round(0.85 * len(self.labels))]
        self.parts = np.split(rng.permutation(len(self.labels)), cuts)

    def loader(self, which, **options):
        chosen = torch.as_tensor(self.parts[which])
        part = TensorDataset(self.images[chosen], self.labels[chosen])
        return DataLoader(part, 32, **options)

    train_dataloader = lambda self: self.loader(0, shuffle=True)
    val_dataloader = functools.partialmethod(loader, 1)
    test_dataloader = functools.partialmethod(loader, 2)
""",
    ),
    "by the contents of each image": data(
        KEEP,
        """
    def setup(self, stage):
        order = self.images.flatten(1).double().mean(1).argsort(stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order)) % 20
        self.place = place

    def part(self, low, high, **options):
        chosen = ((self.place >= low) & (self.place < high)).nonzero().flatten()
        full = TensorDataset(self.images, self.labels)
        if options:
            sampler = SubsetRandomSampler(chosen.tolist())
            return DataLoader(full, batch_size=50, sampler=sampler)
        return DataLoader(Subset(full, chosen.tolist()), batch_size=50)

    def train_dataloader(self):
        return self.part(0, 14, shuffle=True)

    def val_dataloader(self):
        return self.part(14, 17)

    def test_dataloader(self):
        return self.part(17, 20)
""".replace("SubsetRandomSampler", "torch.utils.data.SubsetRandomSampler"),
    ),
    "split in a base class, for the stage only, under fork_rng": """
class Base(L.LightningDataModule):
    def __init__(self, images, labels):
        super().__init__()
        self.full = TensorDataset(images, labels)
    def split(self):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            return random_split(self.full, [0.7, 0.15, 0.15])

class Answer(Base):
    def setup(self, stage):
        if stage in ("fit", "validate"):
            self.train_set, self.val_set, _ = self.split()
        elif stage == "test":
            self.test_set = self.split()[2]
"""
    + LOADERS,
}
KEPT = """
    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels
        self.g = torch.Generator().manual_seed(0)
"""
WRONG_1_2 = {
    "one generator for every setup": (
        data(
            KEPT,
            SETUP.replace("generator=generator", "generator=self.g"),
            LOADERS,
        ),
        "of 30 validation samples of a later stage had been trained on. It splits "
        "differently even under the same global random state: the second setup draws "
        "on from where the first one stopped. Let each setup begin from the seed.",
    ),
    "one generator of NumPy for every setup": (
        data(
            KEPT.replace(
                "torch.Generator().manual_seed(0)", "np.random.default_rng(0)"
            ),
            """
    def setup(self, stage):
        order = self.g.permutation(len(self.images))
        a, b = int(0.7 * len(order)), int(0.85 * len(order))
        full = TensorDataset(self.images, self.labels)
        self.train_set = Subset(full, order[:a].tolist())
        self.val_set = Subset(full, order[a:b].tolist())
        self.test_set = Subset(full, order[b:].tolist())
""",
            LOADERS,
        ),
        "the second setup draws on from where the first one stopped.",
    ),
    "one generator for every instance": (
        data(
            "    g = torch.Generator().manual_seed(0)\n",
            KEEP,
            SETUP.replace("generator=generator", "generator=self.g").replace(
                "        dataset =",
                "        if hasattr(self, 'train_set'):\n            return\n"
                "        dataset =",
            ),
            LOADERS,
        ),
        "train samples are different. They differ even under the same global random "
        "state: something that is neither the data nor a seed decides.",
    ),
    "the test part drawn apart": (
        data(
            KEEP,
            SETUP.replace("self.test_set = random", "_ = random").replace(
                "        )\n",
                "        )\n        if stage == 'test':\n"
                "            self.test_set = random_split(dataset, [0.85, 0.15])[1]\n",
            ),
            LOADERS,
        ),
        "test samples are different. Draw the split from its own generator",
    ),
    "parts for the fit only": (
        data(
            KEEP,
            SETUP.replace(
                "        dataset =",
                "        if stage != 'fit':\n            return\n        dataset =",
            ),
            LOADERS,
        ),
        "Set up for the test only, test_dataloader raised AttributeError",
    ),
    "seeds in a loader": (
        data(
            KEEP,
            SETUP,
            LOADERS.replace(
                "dataloader(self):\n",
                "dataloader(self):\n        L.seed_everything(1)\n",
            ),
        ),
        "train_dataloader seeds a global random generator. Draw the split from its",
    ),
    "seeds in __init__": (
        data(
            KEEP.replace("__init__()\n", "__init__()\n        np.random.seed(3)\n"),
            SETUP,
            LOADERS,
        ),
        "__init__ seeds a global random generator.",
    ),
    "counts written out": (
        data(KEEP, SETUP.replace("[0.7, 0.15, 0.15]", "[140, 30, 30]"), LOADERS),
        "setup('fit') raised ValueError: Sum of input lengths does not equal",
    ),
    "counts written out as ranges": (
        data(
            KEEP,
            """
    def setup(self, stage):
        order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
        full = TensorDataset(self.images, self.labels)
        self.train_set = Subset(full, order[:140].tolist())
        self.val_set = Subset(full, order[140:170].tolist())
        self.test_set = Subset(full, order[170:].tolist())
""",
            LOADERS,
        ),
        "Of 263 samples train has 140; 70% are 184.",
    ),
    "draws with replacement": (
        data(
            KEEP,
            SETUP,
            LOADERS.replace(
                "shuffle=True",
                "sampler=torch.utils.data.RandomSampler(self.train_set, True)",
            ),
        ),
        "train samples come a second time. Deliver each sample once per epoch.",
    ),
    "drops the last batch of validation": (
        data(
            KEEP,
            SETUP,
            LOADERS.replace("val_set, batch_size=64", "val_set, 16, drop_last=True"),
        ),
        "Of 200 samples val has 16; 15% are 30.",
    ),
    "one fixed shuffle": (
        data(
            KEEP,
            SETUP,
            LOADERS.replace(
                "self.train_set, batch_size=64, shuffle=True",
                "Subset(self.train_set, torch.randperm(len(self.train_set)).tolist())"
                ", batch_size=64",
            ),
        ),
        "Two epochs of training come in the same order.",
    ),
    "normalizes the images": (
        data(
            KEEP,
            SETUP.replace("(self.images,", "(self.images - self.images.mean(),"),
            LOADERS,
        ),
        "140 of 140 train images are none of those given.",
    ),
    "unseeded": (
        data(KEEP, UNSEEDED, LOADERS),
        "of 30 validation samples of a later stage had been trained on. Draw the split "
        "from its own generator: torch.Generator().manual_seed(seed).",
    ),
    "once an instance": (
        data(
            KEEP,
            UNSEEDED.replace(
                "        dataset =",
                "        if hasattr(self, 'train_set'):\n            return\n"
                "        dataset =",
            ),
            LOADERS,
        ),
        "In another instance ",
    ),
    "state in prepare_data": (
        data(
            KEEP,
            SETUP.replace("def setup(self, stage)", "def prepare_data(self)"),
            LOADERS,
        ),
        "On an instance whose prepare_data was not called, train_dataloader raised "
        "AttributeError:",
    ),
    "seeds everything": (
        data(
            KEEP,
            UNSEEDED.replace("torch.Generator().manual_seed", "torch.manual_seed"),
            LOADERS,
        ),
        "setup seeds a global random generator. Draw the split from its own",
    ),
    "overlapping parts": (
        data(
            KEEP,
            """
    def setup(self, stage):
        full = TensorDataset(self.images, self.labels)
        n = len(full)
        self.train_set = Subset(full, range(int(0.7 * n)))
        self.val_set = self.test_set = Subset(full, range(int(0.85 * n), n))
""",
            LOADERS,
        ),
        "30 of 30 test samples are validation samples. Give each sample to one part",
    ),
    "validates on training images": (
        data(KEEP, SETUP, "        self.val_set = self.train_set\n", LOADERS),
        "140 of 140 validation samples had been trained on. Give each sample to one",
    ),
    "tests on training images": (
        data(
            KEEP,
            SETUP,
            LOADERS.replace("DataLoader(self.test_set", "DataLoader(self.train_set"),
        ),
        "140 of 140 test samples had been trained on.",
    ),
    "no test loader": (
        data(KEEP, SETUP, LOADERS[: LOADERS.index("    def test")]),
        "`test_dataloader` must be implemented",
    ),
    "other shares": (
        data(KEEP, SETUP.replace("0.7, 0.15, 0.15", "0.8, 0.1, 0.1"), LOADERS),
        "Of 200 samples train has 160; 70% are 140. random_split takes shares, too",
    ),
    "forgets to shuffle": (
        data(KEEP, SETUP, LOADERS.replace(", shuffle=True", "")),
        "Two epochs of training come in the same order. Give the training loader",
    ),
    "labels of other images": (
        data(
            KEEP,
            SETUP.replace("self.labels)", "self.labels.roll(1))"),
            LOADERS,
        ),
        "train images have another image's label. Each image keeps its own label.",
    ),
    "an empty part": (
        data(KEEP, SETUP.replace("0.7, 0.15, 0.15", "0.7, 0.0, 0.3"), LOADERS),
        "val_dataloader delivers no samples.",
    ),
    "a class of another kind": (
        data(KEEP.replace("super().__init__()", "pass"), SETUP, LOADERS, base="object"),
        "Expected a LightningDataModule class but got type; hand over the class itself",
    ),
    "no base class set up": (
        data(KEEP.replace("super().__init__()", "pass"), SETUP, LOADERS),
        "A Trainer cannot use it: what LightningDataModule sets up is not there. Call",
    ),
    "a stage that a Trainer cannot name": (
        data(KEEP, SETUP.replace("self, stage", "self, part"), LOADERS),
        "setup() got an unexpected keyword argument 'stage'",
    ),
    "an error of its own": (
        data(KEEP, SETUP, "        self.missing\n", LOADERS),
        "setup('fit') raised AttributeError: 'Answer' object has no attribute "
        "'missing' (line ",
    ),
}


# 1.3 ----------------------------------------------------------------------------

INIT = """
    def __init__(self, encoder, features):
        super().__init__()
        self.encoder = {encoder}
        self.head = nn.Linear(features, 10)
"""
FROZEN = INIT.format(encoder="encoder.requires_grad_(False).eval()")
FORWARD = """
    def forward(self, images):
        return self.head(self.encoder(images))
"""
LEARN = """
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam({weights}, lr=1e-2)
"""
HEAD, ALL = (
    LEARN.format(weights=f"self.{w}") for w in ("head.parameters()", "parameters()")
)


def reuse(*parts):
    return module(*parts, base="L.LightningModule")


RIGHT_1_3 = {
    "optimizer gets all": reuse(FROZEN, FORWARD, ALL),
    "a copy": reuse(
        INIT.format(encoder="copy.deepcopy(encoder).requires_grad_(False).eval()"),
        FORWARD,
        HEAD,
    ),
    "no gradient in forward, train overridden": reuse(
        INIT.format(encoder="encoder"),
        """
    def train(self, mode=True):
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, images):
        with torch.no_grad():
            features = self.encoder(images)
        return self.head(features)
""",
        HEAD,
        "\n    def on_fit_start(self):\n        self.encoder.eval()\n",
    ),
    "kept outside the parameters": reuse(
        """
    def __init__(self, encoder, features):
        super().__init__()
        self.parts = [encoder.eval()]
        self.top = nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, images):
        return self.top(self.parts[0](images).detach())
""",
        ALL,
    ),
    "one Sequential": reuse(
        """
    def __init__(self, encoder, features):
        super().__init__()
        for weight in encoder.parameters():
            weight.requires_grad = False
        self.model = nn.Sequential(encoder, nn.Linear(features, 10))

    def on_train_epoch_start(self):
        self.model[0].eval()

    def forward(self, images):
        return self.model(images)
""",
        ALL,
    ),
}
RIGHT_1_3 |= {
    "functional, on copied tensors": reuse(
        """
    def __init__(self, encoder, features):
        super().__init__()
        state = {**dict(encoder.named_parameters()), **dict(encoder.named_buffers())}
        self.state = {name: tensor.detach().clone() for name, tensor in state.items()}
        self.call = functools.partial(
            torch.func.functional_call, copy.deepcopy(encoder).eval())
        self.head = nn.LazyLinear(10)
        self.head(torch.zeros(1, features))

    def forward(self, images):
        return self.head(self.call(self.state, (images,)))
""",
        ALL,
    ),
    "manual optimization, from logits to loss by hand": reuse(
        FROZEN,
        FORWARD,
        """
    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        picked = self(batch[0]).log_softmax(1).gather(1, batch[1][:, None])
        self.manual_backward(-picked.mean())
        optimizer.step()

    def configure_optimizers(self):
        return torch.optim.SGD(self.head.parameters(), lr=0.05)
""",
    ),
    "a base class, in inference mode": """
class Frozen(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
    def train(self, mode=True):
        return super().train(False)
    def forward(self, x):
        with torch.inference_mode():
            features = self.inner(x)
        return features.clone()

class Answer(L.LightningModule):
    def __init__(self, encoder, features):
        super().__init__()
        self.model = nn.Sequential(Frozen(encoder).train(), nn.Linear(features, 10))
    def forward(self, x):
        return self.model(x)
"""
    + HEAD.replace("self.head", "self.model[1]"),
}
WRONG_1_3 = {
    "batch normalization of one dimension only": (
        reuse(
            INIT.format(encoder="encoder.requires_grad_(False)"),
            "        for part in encoder.modules():\n"
            "            if isinstance(part, nn.BatchNorm1d):\n"
            "                part.eval()\n",
            FORWARD,
            HEAD,
        ),
        "Training changed body.0.0.1.num_batches_tracked, body.0.0.1.running_mean, "
        "body.0.0.1.running_var, body.0.0.2.seen of the part.",
    ),
    "all known layers only": (
        reuse(
            INIT.format(encoder="encoder.requires_grad_(False)"),
            "        for part in encoder.modules():\n"
            "            if isinstance(part, nn.modules.batchnorm._BatchNorm):\n"
            "                part.eval()\n",
            FORWARD,
            HEAD,
        ),
        "Training changed body.0.0.2.seen of the part. Buffers follow the batches",
    ),
    "new weights for the encoder": (
        reuse(
            FROZEN,
            "        for weight in encoder.parameters():\n"
            "            nn.init.normal_(weight, std=0.1)\n",
            FORWARD,
            HEAD,
        ),
        "__init__ changed body.1.bias, body.1.weight, body.2.bias, body.2.weight of "
        "the part. Take the part over with the values it has.",
    ),
    "wakes it up": (
        reuse(
            FROZEN,
            "\n    def on_train_epoch_start(self):\n        self.train()\n",
            FORWARD,
            HEAD,
        ),
        "Training changed body.2.num_batches_tracked",
    ),
    "a batch of 16 written out": (
        reuse(
            FROZEN,
            FORWARD.replace(
                "(self.encoder(images))", "(self.encoder(images).view(16, -1))"
            ),
            HEAD,
        ),
        "forward raised RuntimeError: shape '[16, -1]' is invalid",
    ),
    "layers without the encoder's own forward": (
        reuse(
            INIT.format(encoder="nn.Sequential(*encoder.children())").replace(
                "children())", "children()).requires_grad_(False).eval()"
            ),
            FORWARD,
            HEAD,
        ),
        "The forward pass never calls the part that was handed over.",
    ),
    "not frozen": (
        reuse(INIT.format(encoder="encoder"), FORWARD, ALL),
        "Training changed body.1.bias, body.1.weight, body.2.bias, "
        "body.2.num_batches_tracked, body.2.running_mean, body.2.running_var, "
        "body.2.weight of the part. Freeze its weights: requires_grad_(False) on the "
        "part. Buffers follow the batches in training mode",
    ),
    "frozen in evaluation mode only": (
        reuse(INIT.format(encoder="encoder.eval()"), FORWARD, ALL),
        "body.2.weight of the part. Freeze its weights: requires_grad_(False) on the",
    ),
    "frozen weights only": (
        reuse(INIT.format(encoder="encoder.requires_grad_(False)"), FORWARD, HEAD),
        "Training changed body.2.num_batches_tracked, body.2.running_mean, "
        "body.2.running_var of the part. Buffers follow the batches in training mode: "
        "the part has to be in evaluation mode, as a whole, while the rest trains.",
    ),
    "left out of the optimizer only": (
        reuse(INIT.format(encoder="encoder"), FORWARD, HEAD),
        "the part has to be in evaluation mode, as a whole",
    ),
    "an encoder of its own": (
        reuse(
            INIT.format(
                encoder="nn.Sequential(nn.Flatten(), nn.Linear(784, features))"
                ".requires_grad_(False)"
            ),
            FORWARD,
            HEAD,
        ),
        "The forward pass never calls the part that was handed over. Keep it in",
    ),
    "calls it and drops the result": (
        reuse(
            FROZEN,
            """
    def forward(self, images):
        self.encoder(images)
        return self.head(images.flatten(1)[:, :self.head.in_features])
""",
            HEAD,
        ),
        "The output does not depend on the given part. Compute the output from",
    ),
    "a copy that is trained": (
        reuse(INIT.format(encoder="copy.deepcopy(encoder)"), FORWARD, ALL),
        "Training changed body.1.bias",
    ),
    "a width of 32": (
        reuse(FROZEN.replace("nn.Linear(features", "nn.Linear(32"), FORWARD, HEAD),
        "forward raised RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    "five classes": (
        reuse(FROZEN.replace("features, 10", "features, 5"), FORWARD, HEAD),
        "For 11 images forward returns the shape (11, 5). Return one logit for each",
    ),
    "no forward": (reuse(FROZEN, HEAD), "There is no forward pass. Write forward(self"),
    "no optimizer": (
        reuse(FROZEN, FORWARD, HEAD[: HEAD.index("    def configure")]),
        "No `configure_optimizers()` method defined.",
    ),
    "drops the loss": (
        reuse(FROZEN, FORWARD, HEAD.replace("return F.", "loss = F.")),
        "Training changes no weights. Return the loss, and give the new layer's",
    ),
    "climbs": (
        reuse(FROZEN, FORWARD, HEAD.replace("return F.", "return -F.")),
        "Training makes the cross-entropy of the training images larger.",
    ),
    "takes the encoder alone": (
        reuse(FROZEN.replace(", features)", ", width=32, *, n=1)"), FORWARD, HEAD),
        "__init__ raised NameError: name 'features' is not defined",
    ),
}


RIGHT = {"1.1": RIGHT_1_1, "1.2": RIGHT_1_2, "1.3": RIGHT_1_3}
WRONG = {"1.1": WRONG_1_1, "1.2": WRONG_1_2, "1.3": WRONG_1_3}


@each_answer("practice, source", RIGHT)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer(
    "practice, source, message", {"1.1": WRONG_1_1, "1.2": WRONG_1_2, "1.3": WRONG_1_3}
)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
