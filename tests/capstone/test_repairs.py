"""Each symptom is judged by behaviour: alone, half repaired, and in another style."""

import itertools

import pytest
from capstone_script import ORIGINAL, asked, edited, examined, good, small, solved

from course_utils import syllabus
from course_utils.capstone.repairs import REPAIRS, repaired
from course_utils.capstone.symptoms import SYMPTOMS

EVERY = {symptom.practice for symptom in SYMPTOMS}
SPLIT = "        digits, labels = self.read(train=True, count="
OPTIMIZERS = "    def configure_optimizers"
STEPS = "self.trainer.estimated_stepping_batches"
REPORT = "    accuracy = evaluate(model, data.test_dataloader())\n"
ONE_PATCH = """\
    digits, labels = zip(*samples, strict=True)
    digits = torch.stack(digits)
    row, column = torch.randint(0, 20, (2,)).tolist()
    digits[:, row : row + 8, column : column + 8] = 0
"""
LOAD = "    model.load_state_dict(best_weights)\n"


def test_at_least_twelve_of_the_47_practices_are_broken():
    assert len(EVERY - {"0.1"}) >= 12
    assert len(EVERY) == len(SYMPTOMS)
    assert all(syllabus.load().practice(each).title for each in EVERY)
    assert REPAIRS.keys() == EVERY


def test_the_untouched_script_trains_and_shows_every_symptom():
    found = examined(small())
    assert good(found) == set()
    assert found.numbers["accuracy that it reports"] > 0.4
    assert all(each.seen.startswith("We ") for each in found.findings.values())


def test_the_solution_shows_none():
    found = examined(solved())
    assert good(found) == EVERY
    assert all(each.seen.startswith("We ") for each in found.findings.values())
    assert found.numbers["accuracy of the file that it ships"] > 0.6


@pytest.mark.parametrize("practice", ["1.2", "4.4", "12.4"])  # others: see below
def test_a_repair_alone_removes_its_symptom(practice):
    assert asked(practice, small(practice)).ok


# Each practice is repaired in another three of six trials. So for any two practices
# there is a trial in which the first is repaired and the second is not.
TRIALS = range(6)
IN_TRIALS = dict(zip(sorted(EVERY), itertools.combinations(TRIALS, 3), strict=False))


@pytest.mark.slow
@pytest.mark.parametrize("trial", TRIALS)
def test_repairs_remove_their_own_symptoms_and_no_other(trial):
    chosen = {each for each, trials in IN_TRIALS.items() if trial in trials}
    assert 0 < len(chosen) < len(EVERY)
    assert good(examined(small(*chosen))) == chosen


@pytest.mark.slow
def test_comments_and_new_names_repair_nothing():
    renamed = (
        small().replace("loader(self,", "make(self,").replace(".loader(", ".make(")
    )
    assert good(examined(f"# Seeded, by value, buffered\n{renamed}")) == set()


# The practice, the repairs already made, edits, and words of the finding.
HALF = {
    "split once per object, unseeded": (
        "1.2",
        (),
        [(SPLIT, f'        if hasattr(self, "val_set"):\n            return\n{SPLIT}')],
        "a second time with the same seed",
    ),
    "no patch at all": (
        "12.5",
        (),
        [("if self.erase:", "if False:")],
        "of the images are the same in both",
    ),
    "a patch of whole columns": (
        "12.5",
        ("12.5",),
        [("digit[row : row + 8, column", "digit[:, column")],
        "should take about a tenth of the ink",
    ),
    "fast, with one patch for all": (
        "13.4",
        ("13.4", "12.5"),
        [
            ("        if self.erase:\n", "        if False:\n"),
            ("    digits, labels = zip(*samples, strict=True)\n", ONE_PATCH),
            ("torch.stack(digits).unsqueeze(1) / 255", "digits.unsqueeze(1) / 255"),
        ],
        "all of a batch miss the same one",
    ),
    "the dropout is saved, the rate is not": (
        "3.1",
        ("3.1", "3.3"),
        [("save_hyperparameters()", 'save_hyperparameters("dropout")')],
        "its highest learning rate should still be",
    ),
    "no dropout any more": (
        "3.1",
        ("3.1",),
        [("nn.Dropout(dropout)", "nn.Dropout(0.0)")],
        "with dropout 0.9",
    ),
    "cleared once per epoch": (
        "7.4",
        (),
        [
            ("count=400", "count=2000"),  # the whole data, so that graphs add up
            ("range(400)", "range(2000)"),
            ("max_epochs=4", "max_epochs=1"),
            (
                OPTIMIZERS,
                "    def on_train_epoch_end(self):\n"
                f"        self.shifted_losses.clear()\n\n{OPTIMIZERS}",
            ),
        ],
        "should stay level from batch to batch",
    ),
    "distinct names, the wrong one watched": (
        "4.2",
        ("4.2",),
        [('EarlyStopping("val/loss"', 'EarlyStopping("train/loss"')],
        "early stopping should have ended the run",
    ),
    "each update, of a schedule three times too long": (
        "4.4",
        ("4.4",),
        [(STEPS, f"3 * {STEPS}")],
        "should fall towards 0 until the end",
    ),
    "each update, without warm-up": (
        "4.4",
        ("4.4",),
        [
            ("lr_scheduler.OneCycleLR(", "lr_scheduler.LinearLR("),
            ("5e-3, total_steps=steps", "1.0, 0.01, total_iters=steps"),
        ],
        "should rise first",
    ),
    "a fixed seed": (
        "5.1",
        ("5.1",),
        [("seed_everything(seed,", "seed_everything(0,")],
        "with two different seeds",
    ),
    "the best, not the newest": (
        "9.1",
        ("9.1",),
        [("callbacks=[best, newest, stop]", "callbacks=[best, stop]")],
        "a checkpoint of that epoch should be there",
    ),
    "save_last": (
        "9.1",
        (),
        [('monitor="accuracy")', 'monitor="accuracy", mode="max", save_last=True)')],
        "a checkpoint of that epoch should be there",
    ),
    "fewer epochs, weights only": (
        "9.2",
        (),
        [("max_epochs=max_epochs,", "max_epochs=max_epochs // (2 if resume else 1),")],
        "not at the learning rates of the unbroken run",
    ),
    "tests the last weights": (
        "10.1",
        ("10.1", "9.1"),
        [(LOAD, "")],
        "should be theirs",
    ),
    "tests twice": ("10.1", ("10.1",), [(REPORT, 2 * REPORT)], "but was read 2 times"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HALF)
def test_a_half_repair_is_told_apart(name):
    practice, repaired_before, edits, words = HALF[name]
    finding = asked(practice, edited(small(*repaired_before), *edits))
    assert not finding.ok
    assert words in finding.seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("practice", "edit"),
    [
        (
            "3.3",
            ("5e-3, total_steps", "self.lr, total_steps"),  # OneCycleLR sets the rate
        ),
        ("12.5", ("= self.digits[index]\n", "= torch.clone(self.digits[index])\n")),
        (
            "7.4",
            (
                "append(F.cross_entropy(shifted, labels))",
                "append(shifted.mean().item())",
            ),
        ),
        ("8.1", ('algorithm="value"', 'algorithm="norm"')),
        ("0.1", ("(model(images).argmax", "(model.eval()(images).argmax")),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_another_way_to_repair_counts_as_well(practice, edit):
    assert asked(practice, edited(small(), edit)).ok


@pytest.mark.slow
def test_the_best_weights_may_be_tested_in_a_separate_model():
    source = edited(
        small("10.1", "9.1", "2.3", "0.1", "12.4"),
        (
            '    best_weights = torch.load(best.best_model_path)["state_dict"]\n',
            "    shipped = DigitModel.load_from_checkpoint(best.best_model_path)\n",
        ),
        (LOAD, ""),
        (REPORT, REPORT.replace("model,", "shipped,")),
    )
    assert asked("10.1", source).ok


def test_repairs_fit_the_script_in_any_order():
    forwards = repaired(ORIGINAL)
    assert repaired(ORIGINAL, *reversed(REPAIRS)) == forwards
    compile(forwards, "solution", "exec")


def test_a_repair_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="Expected once in the script"):
        repaired(repaired(ORIGINAL, "4.4"), "4.4")
