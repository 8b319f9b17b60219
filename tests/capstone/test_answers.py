"""Scripts as learners would write them: right in other styles, wrong in other ways."""

from pathlib import Path

import pytest
from capstone_script import asked, edited, examined, good, solved

from course_utils.capstone.examine import examine
from course_utils.capstone.symptoms import SYMPTOMS

SCRIPTS = sorted((Path(__file__).parents[1] / "capstone_scripts").glob("*.py"))
VAL = "        return self.loader(self.val_set)\n"
FIT = "    trainer.fit(model, data, ckpt_path=resume)\n"
REPORT = "    accuracy = evaluate(model, data.test_dataloader())\n"
SPLIT = "        generator = torch.Generator().manual_seed(self.seed)\n"
SEEDED = "    L.seed_everything(seed, verbose=False)\n    model = make_model()\n"
BUFFERS = """\
        self.register_buffer("mean", torch.tensor(0.5))
        self.register_buffer("std", torch.tensor(0.5))
"""
STATE = """\
        self.mean, self.std = torch.tensor(0.5), torch.tensor(0.5)
"""
HOOKS = """\
    def get_extra_state(self):
        return {"mean": self.mean, "std": self.std, "count": 1}

    def set_extra_state(self, state):
        self.mean, self.std = state["mean"], state["std"]

"""
FORWARD = "    def forward(self, images):\n"
OPTIMIZERS = "    def configure_optimizers(self):\n"
CLIP = "        gradient_clip_val=1.0,\n"
COLLECT = "        shares.append(right)\n"
MEAN = "    return torch.cat(shares).mean().item()\n"
NEWEST = """\
    newest = ModelCheckpoint(
        folder, filename="last", enable_version_counter=False
    )
"""
ERASE = "        if self.erase:\n"
DRAW = "torch.randint(0, 20, (2,)).tolist()"
PLAN = "OneCycleLR(optimizer, self.lr, total_steps=steps)"
TRAIN = "def train("
LOADED = """\
    if resume:
        model = DigitModel.load_from_checkpoint(resume)
"""
CALLBACKS = "callbacks=[best, newest, stop]"


def hook(name, *lines):
    """Return a callback class ``Extra`` with one hook, as text."""
    body = "".join(f"        {line}\n" for line in lines)
    return f"class Extra(L.Callback):\n    def {name}:\n{body}\n\n"


def with_callback(name, *lines):
    """Return the edits that add such a callback to the script."""
    use = (
        "    trainer.fit(",
        "    trainer.callbacks.append(Extra())\n    trainer.fit(",
    )
    return [(TRAIN, hook(name, *lines) + TRAIN), use]


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_right_script_in_another_style_shows_no_symptom(script):
    findings = examine(script).findings
    assert [str(each) for each in findings.values() if not each.ok] == []


@pytest.mark.slow
def test_an_extra_state_is_as_good_as_buffers():
    source = edited(solved(), (BUFFERS, STATE), (FORWARD, HOOKS + FORWARD))
    assert good(examined(source)) == {each.practice for each in SYMPTOMS}


# The practice, and edits of the solution that leave it right.
RIGHT = {
    "divided by the length of the data set": (
        "12.4",
        [
            (COLLECT, "        shares.append(right.sum())\n"),
            (MEAN, "    return (sum(shares) / len(loader.dataset)).item()\n"),
        ],
    ),
    "weighted by the batches of the loader": (
        "12.4",
        [
            (COLLECT, "        shares.append(right.sum() / loader.batch_size)\n"),
            (
                MEAN,
                "    images = len(loader.dataset) / loader.batch_size\n"
                "    return (sum(shares) / images).item()\n",
            ),
        ],
    ),
    "fewer than ten batches": (
        "9.2",
        [("DataLoader(digits, 32", "DataLoader(digits, 64")],
    ),
    "larger batches": ("13.4", [("DataLoader(digits, 32", "DataLoader(digits, 96")]),
    "a smaller norm": ("8.1", [(CLIP, CLIP.replace("1.0", "0.25"))]),
    "clipped by an own hook": (
        "8.1",
        [
            (CLIP, ""),
            (
                OPTIMIZERS,
                "    def configure_gradient_clipping(self, optimizer, *_, **__):\n"
                '        self.clip_gradients(optimizer, 1.0, "norm")\n\n' + OPTIMIZERS,
            ),
        ],
    ),
    "noise besides the dropout": (
        "3.1",
        [
            (
                FORWARD,
                f"{FORWARD}        if self.training:\n"
                "            images = images + 0.01 * torch.randn_like(images)\n",
            )
        ],
    ),
    "a plan that holds its peak": (
        "4.4",
        [
            (
                PLAN,
                "LambdaLR(optimizer, lambda i: "
                "min(1, 8 * (i + 1) / steps, 4 - 4 * i / steps))",
            )
        ],
    ),
    "the last graph kept, and no other": (
        "7.4",
        [
            (
                "        with torch.no_grad():\n            shifted =",
                "        shifted =",
            ),
            ("self.shifted_losses.append(F.c", "self.shifted_losses = (F.c"),
        ],
    ),
    "every epoch kept": (
        "9.1",
        [('mode="max"\n', 'mode="max", save_top_k=-1\n')],
    ),
}
FAST_RIGHT = {"divided by the length of the data set", "larger batches"}

# The practice, edits of the solution, and words of what is said then.
WRONG = {
    "validates on the test set": (
        "10.1",
        [(VAL, VAL.replace("val_set", "test_set"))],
        "100.0 % of the test images are validation images",
    ),
    "validates on half of the test set": (
        "10.1",
        [(VAL, "        return self.loader(DigitSet(*self.read(False, 100)))\n")],
        "50.0 % of the test images are validation images",
    ),
    "trains on the test set too": (
        "10.1",
        [
            (
                "        self.test_set =",
                "        extra = DigitSet(*self.read(False, 200), erase=True)\n"
                "        self.train_set = torch.utils.data.ConcatDataset(\n"
                "            [self.train_set, extra]\n        )\n"
                "        self.test_set =",
            )
        ],
        "100.0 % of the test images are training images",
    ),
    "hands the test loader to fit": (
        "10.1",
        [
            (
                FIT,
                '    data.setup("fit")\n    loaders = data.train_dataloader(), '
                "data.test_dataloader()\n"
                "    trainer.fit(model, *loaders, ckpt_path=resume)\n",
            )
        ],
        "was read when 0 of 40 batches had been trained on",
    ),
    "keeps the test batches before training": (
        "10.1",
        [
            (FIT, f"    kept = list(data.test_dataloader())\n{FIT}"),
            (REPORT, "    accuracy = evaluate(model, kept)\n"),
            (
                "    data = data or make_data(seed)\n",
                "    data = data or make_data(seed)\n    data.setup()\n",
            ),
        ],
        "was read when 0 of 40 batches had been trained on",
    ),
    "chooses between two files by the test set": (
        "10.1",
        [
            (
                REPORT,
                "    accuracy = evaluate(model, data.test_dataloader())\n"
                "    last = torch.load(newest.best_model_path)['state_dict']\n"
                "    model.load_state_dict(last)\n"
                "    other = evaluate(model, data.test_dataloader())\n"
                "    accuracy = max(accuracy, other)\n",
            )
        ],
        "but was read 2 times",
    ),
    "looks at the test images in a callback": (
        "10.1",
        with_callback(
            "on_train_epoch_end(self, trainer, pl_module)",
            "pl_module.eval()",
            "images = trainer.datamodule.loader(trainer.datamodule.test_set)",
            "evaluate(pl_module, images)",
            "pl_module.train()",
        ),
        "but it included 100.0 % of them",
    ),
    "reports on a set of its own": (
        "10.1",
        [
            (
                REPORT,
                REPORT.replace("data.test_dataloader()", "data.loader(data.test_set)"),
            )
        ],
        "all labels that `test_dataloader` delivers wrong",
    ),
    "clips by a small value": (
        "8.1",
        [(CLIP, '        gradient_clip_val=0.003, gradient_clip_algorithm="value",\n')],
        "degrees off",
    ),
    "clips each tensor alone": (
        "8.1",
        [
            (CLIP, ""),
            (
                OPTIMIZERS,
                "    def configure_gradient_clipping(self, *_, **__):\n"
                "        for weight in self.parameters():\n"
                "            nn.utils.clip_grad_norm_([weight], 0.4)\n\n" + OPTIMIZERS,
            ),
        ],
        "degrees off",
    ),
    "clips to another norm": (
        "8.1",
        [(CLIP, CLIP.replace("1", "2"))],
        "it reached 2.00",
    ),
    "does not clip": ("8.1", [(CLIP, "")], "its norm should be 1 or less"),
    "keeps one generator for every setup": (
        "1.2",
        [
            (SPLIT, "        generator = self.generator\n"),
            (
                "        self.seed = seed\n",
                "        self.generator = torch.Generator().manual_seed(seed)\n",
            ),
        ],
        "of the validation images had been trained on",
    ),
    "erases every second image": (
        "12.5",
        [(ERASE, "        if self.erase and torch.rand(()) < 0.5:\n")],
        "only a few should look untouched",
    ),
    "a patch that stays where it was": (
        "12.5",
        [(DRAW, "torch.tensor([index % 20, index % 19]).tolist()")],
        "of the images are the same in both",
    ),
    "smaller batches": (
        "13.4",
        [
            (
                "        return digit, self",
                "        time.sleep(1e-3)\n        return digit, self",
            ),
            ("DataLoader(digits, 32", "DataLoader(digits, 4"),
            ("from dataclasses", "import time\nfrom dataclasses"),
        ],
        "an image should load at least twice as fast",
    ),
    "only one of two buffers": (
        "2.3",
        [
            (
                '        self.register_buffer("std", torch.tensor(0.5))\n',
                "        self.std = torch.tensor(0.5)\n",
            ),
        ],
        "gave both the same images",
    ),
    "buffers that are not saved": (
        "2.3",
        [(BUFFERS, BUFFERS.replace("(0.5))", "(0.5), persistent=False)"))],
        "the accuracy went from",
    ),
    "the rate is saved, the dropout is not": (
        "3.1",
        [("save_hyperparameters()", 'save_hyperparameters("lr")')],
        "it should still drop nothing",
    ),
    "a copy with its graph": (
        "7.4",
        [
            ("count=400", "count=2000"),
            ("range(400)", "range(2000)"),
            (
                "        with torch.no_grad():\n            shifted =",
                "        shifted =",
            ),
            (
                "cross_entropy(shifted, labels))\n",
                "cross_entropy(shifted, labels).clone())\n",
            ),
        ],
        "none should be held any more after training",
    ),
    "a patience of one": (
        "4.2",
        [("patience=3", "patience=1")],
        "but it ended after 1",
    ),
    "a patience of six": (
        "4.2",
        [("patience=3", "patience=6")],
        "but it trained 7 epochs",
    ),
    "stops when the loss falls": (
        "4.2",
        [("patience=3", 'patience=3, mode="max"')],
        "it trained all 8 epochs",
    ),
    "one name for both": (
        "4.2",
        [
            ('self.log("train/loss"', 'self.log("accuracy"'),
        ],
        "none should be in both, but accuracy is",
    ),
    "ten times the rate": (
        "3.3",
        [(PLAN, PLAN.replace("self.lr", "10 * self.lr"))],
        "should be 0.00400, but was 0.0",
    ),
    "only the optimizer's rate": (
        "3.3",
        [(PLAN, PLAN.replace("self.lr", "5e-3"))],
        "should be four times as high",
    ),
    "a late peak": (
        "4.4",
        [(PLAN, PLAN.replace("total_steps", "pct_start=0.85, total_steps"))],
        "it should peak early",
    ),
    "once per epoch": (
        "4.4",
        [('"interval": "step"', '"interval": "epoch"')],
        "only 4 different values",
    ),
    "the same first weights for every seed": (
        "5.1",
        [
            (
                SEEDED,
                "    torch.manual_seed(0)\n    model = make_model()\n"
                "    L.seed_everything(seed, verbose=False)\n",
            )
        ],
        "with two different seeds",
    ),
    "only the weights are seeded": (
        "5.1",
        [
            (
                SEEDED,
                "    with torch.random.fork_rng():\n        torch.manual_seed(seed)\n"
                "        model = make_model()\n",
            )
        ],
        "the same three updates later",
    ),
    "the newest only": (
        "9.1",
        [
            ("best = ModelCheckpoint", "_ = ModelCheckpoint"),
            (NEWEST, NEWEST + "    best = newest\n"),
            (CALLBACKS, "callbacks=[newest, stop]"),
        ],
        "should hold the best epoch",
    ),
    "the newest after training": (
        "9.1",
        [
            (CALLBACKS, "callbacks=[best, stop]"),
            (FIT, f'{FIT}    trainer.save_checkpoint(Path(folder, "last.ckpt"))\n'),
        ],
        "at one time the newest was",
    ),
    "the newest every second epoch": (
        "9.1",
        [('filename="last",', 'filename="last", every_n_epochs=2,')],
        "at one time the newest was 1 epoch behind",
    ),
    "the best somewhere else": (
        "9.1",
        [
            (
                "best = ModelCheckpoint(\n        folder,",
                "best = ModelCheckpoint(\n        tempfile.mkdtemp(),",
            ),
            ("from dataclasses", "import tempfile\nfrom dataclasses"),
            (CALLBACKS, "callbacks=[best, stop]"),
        ],
        "it should hold the file",
    ),
    "no file at all": (
        "9.1",
        [("accuracy, best.best_model_path)", 'accuracy, "none")')],
        "it should be a checkpoint of one of the epochs",
    ),
    "the optimizer starts over": (
        "9.2",
        with_callback(
            "on_train_start(self, trainer, pl_module)",
            "trainer.optimizers[0].state.clear()",
        ),
        "the optimizer did not start from its saved state",
    ),
    "the weights start over": (
        "9.2",
        with_callback(
            "on_train_start(self, trainer, pl_module)",
            "pl_module.load_state_dict(make_model().state_dict())",
        ),
        "did not start from the saved weights",
    ),
    "a model loaded, and a run started over": (
        "9.2",
        [
            (FIT, "    trainer.fit(model, data)\n"),
            (SEEDED, f"{SEEDED}{LOADED}"),
        ],
        "it should train 2 more epochs, but it trained 4",
    ),
    "eval after the loop": (
        "0.1",
        [("    model.eval()\n", ""), (MEAN, "    model.eval()\n" + MEAN)],
        "called `evaluate` five times",
    ),
    "the mean of the classes": (
        "12.4",
        [
            (COLLECT, "        shares.append(torch.stack([right, labels.float()]))\n"),
            (
                MEAN,
                "    right, labels = torch.cat(shares, dim=1)\n"
                "    each = [right[labels == k].mean() for k in labels.unique()]\n"
                "    return torch.stack(each).mean().item()\n",
            ),
        ],
        "should return the share that is classified correctly",
    ),
    "full batches assumed": (
        "12.4",
        [
            (COLLECT, "        shares.append(right.sum())\n"),
            (
                MEAN,
                "    return (sum(shares) / len(loader) / loader.batch_size).item()\n",
            ),
        ],
        "should return the share that is classified correctly",
    ),
    "the size of the test set": (
        "12.4",
        [
            (COLLECT, "        shares.append(right.sum())\n"),
            (MEAN, "    return sum(shares).item() / 1000\n"),
        ],
        "should return the share that is classified correctly",
    ),
}
FAST_WRONG = {
    "keeps one generator for every setup",
    "clips by a small value",
    "full batches assumed",
    "validates on the test set",
}


def some(answers, fast):
    """Return the answers as parameters; all but the fast ones are slow."""
    return [
        pytest.param(*answer, id=name, marks=[] if name in fast else pytest.mark.slow)
        for name, answer in answers.items()
    ]


@pytest.mark.parametrize(("practice", "edits"), some(RIGHT, FAST_RIGHT))
def test_a_right_answer_is_right(practice, edits):
    finding = asked(practice, edited(solved(), *edits))
    assert finding.ok, finding.seen


@pytest.mark.parametrize(("practice", "edits", "words"), some(WRONG, FAST_WRONG))
def test_a_wrong_answer_is_told_what_was_seen(practice, edits, words):
    finding = asked(practice, edited(solved(), *edits))
    assert not finding.ok
    assert words in finding.seen
