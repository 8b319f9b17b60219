"""The exercises of lesson 10, evaluation."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from course_utils.checks.finding import Finding
from course_utils.checks.known_mistakes import value_is
from course_utils.checks.learner_code import LearnerError
from course_utils.checks.sample_data import quiet_function
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_10.scripted_scores import (
    TEST_COUNT,
    VAL_COUNT,
    ScriptedClassifier,
)
from course_utils.exercises.lesson_10.untouched_test_set import (
    LoggedData,
    as_number,
    keeps_the_test_set,
)


def _score_is(value: float, truth: float, mistakes: Mapping[str, float]) -> Finding:
    seen = f"You report {value:.3f}, the exact value is {truth:.3f}."
    otherwise = "Count over all test images, then divide."
    return value_is(
        value, truth, mistakes, seen=seen, otherwise=otherwise, tolerance=1e-4
    )


# 10.1 ---------------------------------------------------------------------------

# Untrained, then after each of six epochs; all numbers differ. The best on validation
# is neither the best on test nor the worst nor the last.
_RUNS = (
    ((0.1, 0.5, 0.6, 0.8, 0.725, 0.675, 0.55), (0.1, 0.3, 0.35, 0.7, 0.75, 0.45, 0.4)),
    ((0.1, 0.5, 0.625, 0.575, 0.65, 0.825, 0.6), (0.1, 0.35, 0.8, 0.3, 0.45, 0.7, 0.4)),
)


def _ages(folder: str) -> set[int]:
    """Return how many epochs the weights in each checkpoint were trained."""
    files = Path(folder).rglob("*.ckpt")
    stored = [torch.load(file, map_location="cpu", weights_only=True) for file in files]
    return {int(each["state_dict"]["age"]) for each in stored}


def _mistakes(val: Sequence[float], test: Sequence[float]) -> dict[str, float]:
    worst = val.index(min(val[1:]))
    return {
        "Those are the last epoch's weights; which file does the test load?": test[-1],
        "Those weights have the lowest validation accuracy; is less better, or more? "
        "See `mode`.": test[worst],
        "That is the highest of all test accuracies; choose on validation.": max(test),
        "That is a validation accuracy; report what the test images say.": max(val),
        "Give it as a share from 0 to 1.": 100 * test[val.index(max(val))],
        "Those weights are untrained.": test[0],
    }


def _keeps_both(ages: set[int], best: int, last: int) -> Iterator[Finding]:
    for name, age in (("newest", last), ("best", best)):
        seen = f"The {name} weights {'are' if age in ages else 'are not'} on the disk."
        yield Finding(seen, age in ages, "Keep both checkpoints.")


def tests_the_best(answer: Any) -> Iterator[Finding]:
    """Examine exercise 10.1 with two scripted runs of six epochs."""
    function = quiet_function(answer)
    for val, test in _RUNS:
        model, data, best = ScriptedClassifier(val, test), LoggedData(), max(val)
        with TemporaryDirectory(prefix="course-") as folder:
            reported = function(model, data, folder)
            ages = _ages(folder)
        value = as_number("the accuracy", reported)
        truth = test[val.index(best)]
        yield _score_is(value, truth, _mistakes(val, test))
        yield from keeps_the_test_set(data.reads)
        yield from _keeps_both(ages, val.index(best), len(val) - 1)


_10_1 = Exercise(
    practice="10.1",
    examine=tests_the_best,
    hints=(
        'There are two checkpoint callbacks. Which of them does ckpt_path="best" ask, '
        "and what does each of them take for the best?",
        "It asks the first in the list. One that monitors nothing calls the newest the "
        "best, and one that monitors takes the lowest value unless you say otherwise.",
        'best = ModelCheckpoint(..., monitor="val_acc", mode="max"), and '
        "trainer.test(..., ckpt_path=best.best_model_path).",
    ),
    reason=(
        "The file is named by the callback that chose it, and that callback knows that "
        "more is better. The test set was opened once, after the last epoch."
    ),
)

# 10.2 ---------------------------------------------------------------------------

# Validation and test accuracy of each network; best on one is not best on the other.
_CANDIDATES = (
    ((0.6, 0.55), (0.725, 0.65), (0.8, 0.7), (0.65, 0.75), (0.7, 0.85)),
    ((0.75, 0.8), (0.85, 0.75), (0.6, 0.7), (0.55, 0.45)),
)
NEAR = (0.88, 1.14)  # normal, Wilson's, exact and bootstrap intervals differ a little


def _three(returned: Any) -> tuple[int, float, float]:
    if not isinstance(returned, tuple | list) or len(returned) != 3:
        raise LearnerError(
            "Expected the index, the accuracy and the margin but got "
            f"{type(returned).__name__}; end with `return best, accuracy, margin`."
        )
    names = ("the index", "the accuracy", "the margin")
    index, *others = map(as_number, names, returned)
    return int(index), others[0], others[1]


def _judge_choice(index: int, vals: Sequence[float], tests: Sequence[float]) -> Finding:
    right = vals.index(max(vals))
    seen = f"Of {len(vals)} networks you chose number {index}, counted from 0"
    if index == tests.index(max(tests)):
        seen += ": the best on the test images"
    remedy = f"On the validation images number {right} is the best."
    return Finding(f"{seen}.", index == right, remedy)


def _judge_margin(margin: float, accuracy: float) -> Finding:
    def half(count: int, z: float) -> float:
        return z * math.sqrt(accuracy * (1 - accuracy) / count)

    truth = half(TEST_COUNT, 1.96)

    def near(wanted: float) -> bool:
        return NEAR[0] * wanted <= margin <= NEAR[1] * wanted

    seen = f"For {accuracy:.2f} on {TEST_COUNT} images your margin is {margin:.3f}."
    mistakes = {
        "That is one standard error; 95 % need 1.96 of them.": half(TEST_COUNT, 1),
        "That is the whole width; the margin is half of it.": 2 * truth,
        "Count test images, not validation images.": half(VAL_COUNT, 1.96),
        "Give it as a share, like the accuracy.": 100 * truth,
    }
    why = [text for text, wrong in mistakes.items() if near(wrong)]
    formula = "It is 1.96 * sqrt(accuracy * (1 - accuracy) / number of test images)."
    return Finding(seen, near(truth), why[0] if why else formula)


def publishes_honestly(answer: Any) -> Iterator[Finding]:
    """Examine exercise 10.2 with five scripted networks, then with four others."""
    function = quiet_function(answer)
    for scores in _CANDIDATES:
        vals, tests = ([pair[i] for pair in scores] for i in (0, 1))
        models = [ScriptedClassifier((val,), (test,)) for val, test in scores]
        data = LoggedData()
        loaders = data.val_dataloader(), data.test_dataloader()
        index, accuracy, margin = _three(function(models, *loaders))
        yield _judge_choice(index, vals, tests)
        truth = tests[vals.index(max(vals))]
        mistakes = {
            "That is its validation accuracy.": max(vals),
            "That is the highest of all test accuracies.": max(tests),
            "Give it as a share from 0 to 1.": 100 * truth,
        }
        yield _score_is(accuracy, truth, mistakes)
        yield from keeps_the_test_set(data.reads)
        yield _judge_margin(margin, truth)


_10_2 = Exercise(
    practice="10.2",
    examine=publishes_honestly,
    hints=(
        "Which images decide here, and which images report? How often is each test "
        "image read?",
        "trainer.validate(model, val_loader, verbose=False) returns val_acc in the "
        "same form. Test one network only.",
        "accuracy = trainer.test(models[best], ...)[0]['test_acc'], "
        "n = len(test_loader.dataset), "
        "plus_minus = 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5.",
    ),
    reason=(
        "Validation images choose, test images report, once, and the margin says how "
        "far the report can be trusted."
    ),
)

EXERCISES = (_10_1, _10_2)
