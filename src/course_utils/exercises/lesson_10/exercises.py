"""The exercises of lesson 10, evaluation."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from course_utils.checks.finding import Finding
from course_utils.checks.known_mistakes import value_is
from course_utils.checks.learner_code import LearnerError, temporary_folder
from course_utils.checks.sample_data import quiet_function
from course_utils.checks.scripted_metric import loaded, scripted_state
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_10.scripted_scores import ScriptedClassifier
from course_utils.exercises.lesson_10.untouched_test_set import (
    LoggedData,
    as_number,
    epochs_trained,
    reads_the_test_set_once,
    untouched_before_the_choice,
)


def _score_is(value: float, truth: float, mistakes: Mapping[str, float]) -> Finding:
    seen = f"You report {value:.3f}, the exact value is {truth:.3f}."
    otherwise = "Report the share of all test images that the chosen weights get right."
    return value_is(
        value, truth, mistakes, seen=seen, otherwise=otherwise, tolerance=1e-4
    )


# Sizes of the validation and test set and of a batch differ between the two rounds of
# an exercise, and no batch size divides the test set.
_ROUNDS = (((40, 60), 16), ((80, 40), 28))

# 10.1 ---------------------------------------------------------------------------

# Untrained, then after each of six epochs; all numbers differ. The best on validation
# is neither the best on test nor the worst nor the last.
_RUNS = (
    ((0.1, 0.5, 0.6, 0.8, 0.725, 0.675, 0.55), (0.1, 0.3, 0.35, 0.7, 0.75, 0.45, 0.4)),
    ((0.1, 0.5, 0.625, 0.575, 0.65, 0.825, 0.6), (0.1, 0.35, 0.8, 0.3, 0.45, 0.7, 0.4)),
)


def _checkpoints(folder: Path) -> dict[int, bool]:
    """Return by age of the weights whether a file holds the optimizer's state, too."""
    complete: dict[int, bool] = {}
    for file in filter(Path.is_file, folder.rglob("*")):
        stored = loaded(file)
        if state := scripted_state(stored, ["age"]):
            age = int(state["age"])
            optimizer = isinstance(stored, Mapping) and "optim" in " ".join(stored)
            complete[age] = complete.get(age, False) or optimizer
    return complete


def _mistakes(val: Sequence[float], test: Sequence[float]) -> dict[str, float]:
    best, worst = (val.index(choose(val[1:])) for choose in (max, min))
    after = {
        f"Those are the weights after epoch {epoch}; those after epoch {best} have the "
        "highest validation accuracy.": accuracy
        for epoch, accuracy in enumerate(test)
    }
    return {
        "Those are the last epoch's weights, not those with the highest validation "
        "accuracy.": test[-1],
        "Those weights have the lowest validation accuracy of all epochs, not the "
        "highest.": test[worst],
        "That is the highest of all test accuracies; choose on validation.": max(test),
        "That is a validation accuracy; report what the test images say.": max(val),
        "Give it as a share from 0 to 1.": 100 * test[best],
        "Those weights are untrained.": test[0],
    } | after


def _keeps_its_length(epochs: int, right: int) -> Finding:
    seen = f"The run trained {epochs} epochs."
    if epochs > right:
        seen = f"The run trained on after {right} epochs."
    return Finding(seen, epochs == right, "Keep its six epochs.")


def _keeps_both(found: Mapping[int, bool], best: int, last: int) -> Iterator[Finding]:
    for name, age in (("newest", last), ("best", best)):
        seen = f"The {name} weights {'are' if age in found else 'are not'} on the disk."
        yield Finding(seen, age in found, "Keep both checkpoints.")
    seen = "The newest weights are on the disk without the state of the optimizer."
    remedy = "Keep that checkpoint complete: it is there to go on after a crash."
    yield Finding(seen, found.get(last, False), remedy)


def tests_the_best(answer: Any) -> Iterator[Finding]:
    """Examine exercise 10.1 with two scripted runs of six epochs."""
    function = quiet_function(answer)
    for (val, test), (counts, size) in zip(_RUNS, _ROUNDS, strict=True):
        model, data = ScriptedClassifier(val, test, counts), LoggedData(size, counts)
        with temporary_folder() as here:
            folder = here / "checkpoints"
            folder.mkdir()
            value = as_number("the accuracy", function(model, data, str(folder)))
            found = _checkpoints(here)
        best, epochs = val.index(max(val)), epochs_trained(data.log)
        yield _score_is(value, test[best], _mistakes(val, test))
        yield from reads_the_test_set_once(data.log, counts[1])
        yield _keeps_its_length(epochs, len(val) - 1)
        yield from _keeps_both(found, best, epochs)


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
NEAR = (0.9, 1.1)  # normal, Wilson's, exact and bootstrap intervals differ a little


def _three(returned: Any) -> tuple[int, float, float]:
    parts = [] if isinstance(returned, str | Mapping) else returned
    if not hasattr(parts, "__iter__") or len(parts := list(parts)) != 3:
        raise LearnerError(
            "Expected the index, the accuracy and the margin but got "
            f"{type(returned).__name__}; end with `return best, accuracy, margin`."
        )
    names = ("the index", "the accuracy", "the margin")
    index, *others = map(as_number, names, parts)
    return int(index), others[0], others[1]


def _judge_choice(index: int, vals: Sequence[float], tests: Sequence[float]) -> Finding:
    right = vals.index(max(vals))
    seen = f"Of {len(vals)} networks you chose number {index}, counted from 0"
    if index == tests.index(max(tests)):
        seen += ": the best on the test images"
    remedy = f"On the validation images number {right} is the best."
    return Finding(f"{seen}.", index % len(vals) == right, remedy)


def _judge_margin(margin: float, accuracy: float, counts: tuple[int, int]) -> Finding:
    def half(count: float, z: float = 1.96, share: float = accuracy) -> float:
        return z * math.sqrt(share * (1 - share) / count)

    truth = half(counts[1])
    seen = f"For {accuracy:.2f} on {counts[1]} images your margin is {margin:.3f}."
    mistakes = {
        "That is one standard error; 95 % need 1.96 of them.": half(counts[1], 1),
        "That is the margin of 90 %; 95 % is asked for.": half(counts[1], 1.645),
        "That is the margin of 99 %; 95 % is asked for.": half(counts[1], 2.576),
        "That is the whole width; the margin is half of it.": 2 * truth,
        "Count test images, not validation images.": half(counts[0]),
        "Count the test images only.": half(sum(counts)),
        "Give it as a share, like the accuracy.": 100 * truth,
    }
    formula = "It is 1.96 * sqrt(accuracy * (1 - accuracy) / number of test images)."
    why = (text for text, wrong in mistakes.items() if 0.98 < margin / wrong < 1.02)
    near = NEAR[0] * truth <= margin <= NEAR[1] * truth
    return Finding(seen, near, next(why, formula))


def publishes_honestly(answer: Any) -> Iterator[Finding]:
    """Examine exercise 10.2 with five scripted networks, then with four others."""
    function = quiet_function(answer)
    for scores, (counts, size) in zip(_CANDIDATES, _ROUNDS, strict=True):
        vals, tests = ([pair[i] for pair in scores] for i in (0, 1))
        models = [ScriptedClassifier((val,), (test,), counts) for val, test in scores]
        data = LoggedData(size, counts)
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
        yield untouched_before_the_choice(data.log)
        yield from reads_the_test_set_once(data.log, counts[1])
        yield _judge_margin(margin, truth, counts)


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
