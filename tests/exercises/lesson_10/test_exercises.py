"""Answers to the exercises of lesson 10, right and wrong, and what each is told."""

import lightning as L
import numpy as np
import pytest
import torch
from learner import assert_correct, assert_incorrect, each_answer
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_10.exercises import EXERCISES
from course_utils.exercises.lesson_10.scripted_scores import (
    COUNTS,
    TEST_START,
    ScriptedClassifier,
    numbered,
)
from course_utils.exercises.lesson_10.untouched_test_set import LoggedData, as_number
from course_utils.hardware import quiet_trainer

STARTERS = {each.practice: each.starter for each in EXERCISES}


FIT = """
def answer(model, data, folder):
    newest = ModelCheckpoint(folder, filename="newest")
    best = ModelCheckpoint(folder, filename="best", monitor="val_acc", {mode})
    options = quiet_trainer(enable_checkpointing=True, callbacks={order})
    trainer = L.Trainer(max_epochs=6, **options)
    trainer.fit(model, {fit})
    {rest}
"""


def run(
    rest, mode='mode="max"', order="[newest, best]", fit="datamodule=data", **names
):
    return FIT.format(rest=rest, mode=mode, order=order, fit=fit)


TEST = "trainer.test(model, datamodule=data, verbose=False{})[0]['test_acc']"
BEST, PATH = ', ckpt_path="best"', ", ckpt_path=best.best_model_path"
RETURN = "return " + TEST
LOADED = """
    loaded = type(model).load_from_checkpoint(best.best_model_path)
    found = L.Trainer(**quiet_trainer()).test(loaded, data.test_dataloader())
    return found[0]["test_acc"]
"""
STATE = """
    state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    model.load_state_dict(state)
    model.cpu().eval()
    with torch.no_grad():
        right = [(model(x).argmax(1) == y) for x, y in data.test_dataloader()]
    return torch.cat(right).float().mean()
"""
CHOOSES_ON_TEST = """
    found = []
    for file in Path(folder).glob("*.ckpt"):
        found.append(trainer.test(model, datamodule=data, ckpt_path=file)[0])
    return max(each["test_acc"] for each in found)
"""

CHOOSES_ON_VALIDATION = """
    def score(file):
        [found] = trainer.validate(model, data, ckpt_path=file, verbose=False)
        return found["val_acc"]
    top = max(Path(folder).glob("*.ckpt"), key=score)
    return trainer.test(model, datamodule=data, ckpt_path=top)[0]["test_acc"]
"""

LOOKS_TWICE = """
    batches = list(data.test_dataloader())
    def score():
        right = [(model.eval()(x).argmax(1) == y) for x, y in batches]
        return torch.cat(right).float().mean()
    last = score()
    state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    model.load_state_dict(state)
    return score()
"""
MEAN_OF_MEANS = "torch.stack([each.float().mean() for each in right])"
OWN_CALLBACK = """
class KeepsBoth(L.Callback):
    def __init__(self, folder):
        self.newest, self.best, self.top = f"{folder}/n.ckpt", f"{folder}/b.ckpt", -1.0

    def on_validation_end(self, trainer, pl_module):
        if trainer.sanity_checking:
            return
        trainer.save_checkpoint(self.newest)
        if trainer.callback_metrics["val_acc"] > self.top:
            self.top = float(trainer.callback_metrics["val_acc"])
            trainer.save_checkpoint(self.best)

def answer(model, data, folder):
    keeps = KeepsBoth(folder)
    trainer = L.Trainer(max_epochs=6, **quiet_trainer(callbacks=[keeps]))
    trainer.fit(model, data)
    return trainer.test(model, data, ckpt_path=keeps.best)[0]["test_acc"]
"""
CALLABLE = """
class TestsTheBest:
    def __init__(self, **options):
        self.options = options

    def __call__(self, model, data, folder):
        best = ModelCheckpoint(folder, filename="best", **self.options)
        options = quiet_trainer(
            enable_checkpointing=True, callbacks=[best, ModelCheckpoint(folder + "/n")]
        )
        trainer = L.Trainer(max_epochs=6, **options)
        trainer.fit(model, datamodule=data)
        return trainer.test(datamodule=data, ckpt_path="best")[0]["test_acc"]

answer = TestsTheBest(monitor="val_acc", mode="max")
"""

RIGHT_10_1 = {
    "the path": run(RETURN.format(PATH)),
    "the order": run(RETURN.format(BEST), order="[best, newest]"),
    "no model": run(
        "return trainer.test(datamodule=data, verbose=False)[0]['test_acc']",
        order="[best, newest]",
    ),
    "loaded into a new object": run(LOADED),
    "state dict, counted by hand": run(STATE),
    "validates each file, then tests one": "from pathlib import Path\n"
    + run(CHOOSES_ON_VALIDATION),
    "a float": run("return round(float(" + TEST.format(PATH) + "), 6)"),
    "a callback that it writes": OWN_CALLBACK,
    "a callable object, the best first, two folders": CALLABLE,
    "partial": "from functools import partial\n"
    + run(RETURN.format(PATH))
    .replace("answer(", "run(epochs, ")
    .replace("=6", "=epochs")
    + "\nanswer = partial(run, 6)",
    "no folder": run(RETURN.format(PATH)).replace("(folder, ", "("),
    "one callback that also writes last.ckpt": run(
        RETURN.format(PATH), 'mode="max", save_top_k=-1, save_last=True', "[best]"
    ),
    "validates once more afterwards": run(
        f"value = {TEST.format(PATH)}\n    "
        "trainer.validate(model, datamodule=data)\n    return value"
    ),
    "keeps every epoch": run(
        RETURN.format(PATH), mode='mode="max", save_top_k=-1, auto_insert_metric_name=0'
    ),
}
WRONG_10_1 = {
    "order only": (
        run(RETURN.format(BEST), mode="", order="[best, newest]"),
        "the lowest validation accuracy of all epochs, not the highest.",
    ),
    "mode only": (run(RETURN.format(BEST)), "Those are the last epoch's weights"),
    "no path": (run(RETURN.format("")), "Those are the last epoch's weights"),
    "newest by its path": (
        run(RETURN.format(", ckpt_path=newest.best_model_path")),
        "Those are the last epoch's weights",
    ),
    "another name for the same": (
        STARTERS["10.1"].replace("newest", "recent").replace("best =", "top ="),
        "NameError",
    ),
    "renamed": (
        STARTERS["10.1"]
        .replace("newest", "recent")
        .replace("best]", "keeper]")
        .replace("best =", "keeper ="),
        "Those are the last epoch's weights",
    ),
    "validates on test": (
        run(RETURN.format(PATH), fit="data.train_dataloader(), data.test_dataloader()"),
        "That is the highest of all test accuracies",
    ),
    "reports the validation score": (
        run("trainer.test(model, datamodule=data)\n    return best.best_model_score"),
        "That is a validation accuracy",
    ),
    "never tests, reports the validation score": (
        run("return float(best.best_model_score)"),
        "That is a validation accuracy",
    ),
    "tests on validation images": (
        run(
            "loader = data.val_dataloader()\n    return trainer.test("
            "model, loader, ckpt_path=best.best_model_path)[0]['test_acc']"
        ),
        "That is a validation accuracy; report what the test images say.",
    ),
    "in percent": (
        run("return 100 * " + TEST.format(PATH)),
        "Give it as a share from 0 to 1.",
    ),
    "save_last for the newest": (
        run(RETURN.format(PATH), 'mode="max", save_last=True', "[best]"),
        "The newest weights are not on the disk. Keep both checkpoints.",
    ),
    "tests twice": (
        run(TEST.format(PATH) + "\n    " + RETURN.format(PATH)),
        "A test image was read 2 times. Read it once, for the chosen weights.",
    ),
    "looks at the last one, too": (
        run(TEST.format("") + "\n    " + RETURN.format(PATH)),
        "A test image was read 2 times.",
    ),
    "drops the newest": (
        run(RETURN.format(PATH), order="[best]"),
        "The newest weights are not on the disk. Keep both checkpoints.",
    ),
    "reads one batch before": (
        run("next(iter(data.test_dataloader()))\n    " + RETURN.format(PATH)),
        "A test image was read 2 times.",
    ),
    "reads one batch only": (
        run("next(iter(data.test_dataloader()))\n    return 0.7"),
        "44 of 60 test images were never read.",
    ),
    "never tests": (run("return 0.7"), "60 of 60 test images were never read."),
    "an epoch by its number": (
        run(
            RETURN.format(", ckpt_path=f'{folder}/epoch=2.ckpt'"),
            order="[newest, best, ModelCheckpoint("
            "folder, '{epoch}', monitor='val_acc', save_top_k=-1)]",
        ),
        "Those are the weights after epoch 3; those after epoch 5 have the highest",
    ),
    "looks at the last one, too, in cached images": (
        run(LOOKS_TWICE),
        "The test images were read once and shown to 2 sets of weights.",
    ),
    "the newest without its optimizer": (
        run(RETURN.format(PATH)).replace(
            '"newest"', '"newest", save_weights_only=True'
        ),
        "on the disk without the state of the optimizer. Keep that checkpoint complete",
    ),
    "without a limit": (
        run(RETURN.format(PATH)).replace("max_epochs=6, ", ""),
        "The run trained on after 6 epochs. Keep its six epochs.",
    ),
    "more epochs": (
        run(RETURN.format(PATH)).replace("epochs=6", "epochs=7"),
        "The run trained on after 6 epochs. Keep its six epochs.",
    ),
    "fewer epochs": (
        run(RETURN.format(PATH)).replace("epochs=6", "epochs=4"),
        "The run trained 4 epochs. Keep its six epochs.",
    ),
    "a mean of batches": (
        run(STATE.replace("torch.cat(right).float()", MEAN_OF_MEANS)),
        "Report the share of all test images that the chosen weights get right.",
    ),
    "takes the best of the tests": (
        "from pathlib import Path\n" + run(CHOOSES_ON_TEST),
        "A test image was read 2 times.",
    ),
    "returns the table": (
        run("return trainer.test(model, datamodule=data" + PATH + ")[0]"),
        "Expected the accuracy to be a number but got dict; return the number itself.",
    ),
    "returns nothing": (run(TEST.format(PATH)), "a number but got NoneType"),
    "raises": (run("raise ValueError('no')"), "answer raised ValueError: no"),
    "does not train": (
        "def answer(model, data, folder):\n"
        "    trainer = L.Trainer(**quiet_trainer())\n    " + RETURN.format(""),
        "Those weights are untrained.",
    ),
    "a class": ("class Answer:\n    pass", "Expected a function but got type"),
}


CHOOSE = """
def answer(models, val_loader, test_loader):
    trainer = L.Trainer(**quiet_trainer())
    looks = [trainer.validate(m, val_loader, verbose=False) for m in models]
    vals = [look[0]["val_acc"] for look in looks]
    best = vals.index(max(vals))
    {rest}
"""
REPORT = """
    p = trainer.test(models[best], test_loader, verbose=False)[0]["test_acc"]
    n = len(test_loader.dataset)
    return best, p, {margin}
"""
HALF = "1.96 * (p * (1 - p) / n) ** 0.5"
BY_HAND = """
def rights(model, loader):
    with torch.no_grad():
        return torch.cat([model(x).argmax(1) == y for x, y in loader]).float()

def answer(models, val_loader, test_loader):
    best = torch.stack([rights(m, val_loader).mean() for m in models]).argmax()
    right = rights(models[best], test_loader)
    {margin}
    return best, right.mean(), margin
"""
BOOTSTRAP = """
    draws = right[torch.randint(len(right), (2000, len(right)))].mean(1)
    low, high = draws.quantile(torch.tensor([0.025, 0.975]))
    margin = (high - low) / 2
"""


def chosen(margin):
    return CHOOSE.format(rest=REPORT.strip().format(margin=margin))


MEAN_OF_BATCHES = """
def score(model, loader):
    accs = [(model(x).argmax(1) == y).float().mean() for x, y in loader]
    return sum(accs) / len(accs)

def answer(models, val_loader, test_loader):
    vals = [score(m, val_loader) for m in models]
    best = vals.index(max(vals))
    p, n = score(models[best], test_loader), len(test_loader.dataset)
    return best, p, 1.96 * (p * (1 - p) / n) ** 0.5
"""
RIGHT_10_2 = {
    "one line": chosen(HALF),
    "two standard errors": chosen(HALF.replace("1.96", "2")),
    "counted by hand": BY_HAND.format(
        margin="margin = 1.96 * right.std() / len(right)**0.5"
    ),
    "bootstrap": BY_HAND.format(margin=BOOTSTRAP.strip()),
    "a function of its own for the margin": "def margin(p, n):\n"
    "    return 1.96 * (p * (1 - p) / n) ** 0.5\n" + chosen("margin(p, n)"),
    "standard error from NumPy": BY_HAND.format(
        margin="margin = 1.96 * np.std(right.numpy()) / np.sqrt(len(right))"
    ),
    "validates the chosen one again": chosen(HALF).replace(
        "    n =", "    trainer.validate(models[best], val_loader)\n    n ="
    ),
    "a tensor of three": chosen(HALF)
    .replace("return", "return torch.tensor([")
    .replace("** 0.5", "** 0.5])"),
    "partial of a lambda": "from functools import partial\n"
    + BY_HAND.format(margin="margin = z * right.std() / len(right) ** 0.5").replace(
        "answer(", "publish(z, "
    )
    + "\nanswer = partial(lambda *args: publish(*args), 1.96)",
    "a callable object": "class Publish:\n    def __call__(self, models, val, test):\n"
    "        return choose(models, val, test)\n"
    + chosen(HALF).replace("answer(", "choose(")
    + "\nanswer = Publish()",
    "wilson": chosen(
        "1.96 * (p * (1 - p) / n + 0.96 / n**2) ** 0.5 / (1 + 1.96**2 / n)"
    ),
}
WRONG_10_2 = {
    "margin only": (
        STARTERS["10.2"].replace("plus_minus = 0.0", "plus_minus = 0.1"),
        "you chose number 4, counted from 0: the best on the test images. On the ",
    ),
    "renamed": (
        STARTERS["10.2"].replace("accuracies", "vals"),
        "the best on the test images. On the validation images number 2 is the best.",
    ),
    "no margin": (chosen("0.0"), "your margin is 0.000. It is 1.96 * sqrt("),
    "one standard error": (
        chosen(HALF.replace("1.96", "1")),
        "That is one standard error; 95 % need 1.96 of them.",
    ),
    "the whole width": (chosen("2 * " + HALF), "the margin is half of it."),
    "validation images counted": (
        chosen("1.96 * (p * (1 - p) / len(val_loader.dataset)) ** 0.5"),
        "Count test images, not validation images.",
    ),
    "knows the number of test images": (
        chosen(HALF).replace("len(test_loader.dataset)", "60"),
        "For 0.75 on 40 images your margin is 0.110. It is 1.96 * sqrt(",
    ),
    "full batches counted": (
        chosen(HALF).replace("(test_loader.dataset)", "(test_loader) * 16"),
        "For 0.75 on 40 images your margin is 0.150. It is 1.96 * sqrt(",
    ),
    "all images counted": (
        chosen(HALF.replace("/ n", "/ (n + len(val_loader.dataset))")),
        "Count the test images only.",
    ),
    "90 %": (chosen(HALF.replace("1.96", "1.645")), "That is the margin of 90 %;"),
    "99 %": (chosen(HALF.replace("1.96", "2.576")), "That is the margin of 99 %;"),
    "the worst case": (
        chosen(HALF.replace("p * (1 - p)", "0.25")),
        "For 0.75 on 40 images your margin is 0.155. It is 1.96 * sqrt(",
    ),
    "no root": (chosen(HALF.replace(" ** 0.5", "")), "your margin is 0.007. It is"),
    "counted from 1": (
        chosen(HALF).replace("return best,", "return best + 1,"),
        "you chose number 3, counted from 0. On the validation images number 2",
    ),
    "shows cached test images to all": (
        CHOOSE.format(
            rest="images, labels = map(torch.cat, zip(*test_loader))\n"
            "    tests = [(m(images).argmax(1) == labels) * 1.0 for m in models]\n"
            "    p, n = tests[best].mean(), len(labels)\n    return best, p, " + HALF
        ),
        "The test images were read once and shown to 5 sets of weights.",
    ),
    "batches counted": (
        chosen("1.96 * (p * (1 - p) / len(test_loader)) ** 0.5"),
        "It is 1.96 * sqrt(",
    ),
    "accuracy in percent": (
        chosen(HALF).replace("return best, p,", "return best, 100 * p,"),
        "You report 70.000, the exact value is 0.700. Give it as a share from 0 to 1.",
    ),
    "both choose": (
        BY_HAND.format(margin="margin = 0.1").replace(
            "rights(m, val_loader).mean() for",
            "rights(m, val_loader).mean() + rights(m, test_loader).mean() for",
        ),
        "you chose number 4, counted from 0: the best on the test images",
    ),
    "a random one": (
        chosen(HALF).replace("vals.index(max(vals))", "len(models) - 2"),
        "you chose number 3, counted from 0. On the validation images number 2",
    ),
    "in points": (chosen("100 * " + HALF), "Give it as a share, like the accuracy."),
    "tests all, reports the chosen": (
        CHOOSE.format(
            rest="tests = [trainer.test(m, test_loader) for m in models]\n"
            "    p, n = tests[best][0]['test_acc'], 60\n"
            "    return best, p, " + HALF
        ),
        "A test image was read 5 times. Read it once, for the chosen weights.",
    ),
    "tests first, though it chooses on validation": (
        CHOOSE.replace(
            "    looks =",
            "    tests = [trainer.test(m, test_loader) for m in models]\n    looks =",
        ).format(
            rest="p = tests[best][0]['test_acc']; n = 60\n    return best, p, 0.1"
        ),
        "60 test images were read before all networks had seen all validation images.",
    ),
    "reports the validation accuracy": (
        CHOOSE.format(rest="return best, vals[best], 0.1"),
        "That is its validation accuracy.",
    ),
    "the worst": (
        chosen(HALF).replace("max(vals)", "min(vals)"),
        "you chose number 0, counted from 0. On the validation images number 2",
    ),
    "knows the answer": (
        chosen(HALF).replace("vals.index(max(vals))", "2"),
        "Of 4 networks you chose number 2",
    ),
    "a mean of batches": (
        MEAN_OF_BATCHES,
        "Report the share of all test images that the chosen weights get right.",
    ),
    "two values": (
        CHOOSE.format(rest="return best, vals[best]"),
        "Expected the index, the accuracy and the margin but got tuple",
    ),
    "nothing": (CHOOSE.format(rest="pass"), "but got NoneType; end with `return best"),
    "the network itself": (
        CHOOSE.format(rest="return models[best], 0.7, 0.1"),
        "Expected the index to be a number but got ScriptedClassifier",
    ),
    "raises": (CHOOSE.format(rest="1 / 0"), "answer raised ZeroDivisionError"),
}


@each_answer("practice, source", {"10.1": RIGHT_10_1, "10.2": RIGHT_10_2})
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer("practice, source, message", {"10.1": WRONG_10_1, "10.2": WRONG_10_2})
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)


def trainer(**options):
    return L.Trainer(**quiet_trainer(accelerator="cpu", **options))


VAL, TESTED = (0.1, 0.5, 0.8), (0.2, 0.9, 0.4)


@pytest.mark.parametrize("size", [1, 16, 100])
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_accuracy_follows_the_script_and_then_stays(epochs, size):
    model, data = ScriptedClassifier(VAL, TESTED), LoggedData(batch_size=size)
    trainer(max_epochs=epochs).fit(model, datamodule=data)
    [val] = trainer().validate(model, data, verbose=False)
    [test] = trainer().test(model, data, verbose=False)
    assert val["val_acc"] == pytest.approx(VAL[min(epochs, 2)])
    assert test["test_acc"] == pytest.approx(TESTED[min(epochs, 2)])


def test_shuffled_images_are_scored_the_same():
    batch = numbered(COUNTS[0])
    order = torch.randperm(COUNTS[0], generator=torch.Generator().manual_seed(1))
    shuffled = TensorDataset(*(part[order] for part in batch))
    loader = DataLoader(shuffled, batch_size=7)
    [val] = trainer().validate(ScriptedClassifier((0.7,)), loader, verbose=False)
    assert val["val_acc"] == pytest.approx(0.7)


def test_the_reads_are_listed_with_part_index_and_order():
    data = LoggedData(batch_size=2)
    next(iter(data.val_dataloader()))
    next(iter(data.test_dataloader()))
    parts = [("val", 0), ("val", 1), ("test", 0), ("test", 1)]
    assert data.log == [("", *part) for part in parts]


def test_the_looks_of_a_network_are_listed_too():
    data, model = LoggedData(), ScriptedClassifier((0.3,))
    model(numbered(1, TEST_START)[0])
    assert data.log == [("[0.3] [0.1] after epoch 0", "test", 0)]


@pytest.mark.parametrize(
    "value", [1, 1.0, torch.tensor(1.0), np.float32(1), torch.ones(1)]
)
def test_numbers_of_all_kinds_are_numbers(value):
    assert as_number("it", value) == 1.0


@pytest.mark.parametrize(
    "value", [None, "1", [1], {"test_acc": 1.0}, True, torch.ones(2)]
)
def test_what_is_no_number_is_the_learners_mistake(value):
    with pytest.raises(LearnerError, match="Expected it to be a number but got"):
        as_number("it", value)
