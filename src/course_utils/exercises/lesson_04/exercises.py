"""The exercises of lesson 04, logging."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.fit import settings_by_group
from course_utils.checks.metrics import metrics_are_exact
from course_utils.checks.sample_data import (
    copy_of,
    in_batches,
    lesson_images,
    logits_of,
    new_instance,
    trained_instance,
)
from course_utils.checks.weight_updates import lowers_cross_entropy, updates
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_04.learning_rates import (
    falls_on_a_line,
    rates_are_logged,
    same_rates_in_two_processes,
)
from course_utils.exercises.lesson_04.logged_values import (
    logs_each_step,
    logs_the_epoch_mean,
    training_log,
)
from course_utils.exercises.lesson_04.scripted_run import Kept, scripted_run
from course_utils.exercises.lesson_04.stage_values import (
    training_values,
    validation_values,
)
from course_utils.measure import InMemoryLogger

Batch = tuple[Tensor, Tensor]

# 4.1 ----------------------------------------------------------------------------


def _batches(sizes: list[int]) -> list[Batch]:
    return in_batches(lesson_images(sum(sizes)), sizes)


def logs_two_curves(answer: Any) -> Iterator[Finding]:
    """Examine exercise 4.1: runs of unequal batches, over two epochs and over three."""
    for epochs, sizes in ((2, [40, 40, 3]), (3, [7, 30, 13, 30])):
        log = training_log(new_instance(answer), _batches(sizes), epochs)
        yield logs_each_step(log, "train_loss_step")
        yield from logs_the_epoch_mean(log, "train_loss_epoch")
    yield lowers_cross_entropy(new_instance(answer), _batches([16] * 6))


_4_1 = Exercise(
    practice="4.1",
    examine=logs_two_curves,
    hints=(
        "How many votes does a batch of 3 images have in this mean? When is the list "
        "emptied? And who logs the single steps?",
        "self.log can do both: on_step asks for the value of each step, on_epoch for "
        "the mean over the epoch's images.",
        'self.log("train_loss", loss, on_step=True, on_epoch=True) in training_step; '
        "Lightning adds _step and _epoch to the name. Then the list can go.",
    ),
    reason=(
        "One line logs each step and the mean of the epoch, weighted by batch size."
    ),
)

# 4.2 ----------------------------------------------------------------------------

# What validations find: wrong predictions, and whether those are confident ones, which
# cost much loss. In each script one epoch has the lowest loss, one the highest, one the
# best accuracy and one the worst; none of them is the first or the last.
Script = tuple[tuple[int, bool], ...]
SCRIPTS: dict[int, Script] = {  # by number of validation images
    40: ((9, False), (8, False), (4, True), (16, False), (14, True), (11, False)),
    36: (
        (9, False),
        (15, False),
        (13, True),
        (3, True),
        (7, False),
        (11, False),
        (10, False),
    ),
}


def _scripted(logits: Tensor, wrong: int, confident: bool) -> Tensor:
    """Return labels of which ``wrong`` are not the prediction.

    Confident mistakes cost much loss, the others little.
    """
    order = logits.softmax(1).amax(1).argsort(descending=confident)[:wrong]
    labels = logits.argmax(1)
    ranked = logits.argsort(1, descending=True)
    labels[order] = ranked[order, -1 if confident else 1]
    return labels


def scripted_validations(logits: Tensor, script: Script) -> list[Tensor]:
    """Return the labels of one validation for each entry of the script."""
    return [_scripted(logits, wrong, confident) for wrong, confident in script]


def _remarks(losses: list[float], accs: list[float]) -> dict[int, str]:
    """Return what is special about an epoch, as a clause."""
    special = {0: "the first", len(accs) - 1: "the last"}
    for name, values in (("val/loss", losses), ("val/acc", accs)):
        special[values.index(min(values))] = f"where {name} was lowest"
        special[values.index(max(values))] = f"where {name} was highest"
    return special


def _shows_epoch(name: str, epoch: int) -> bool:
    return str(epoch) in re.findall(r"(?<![\d.])0*(\d+)(?![\d]|\.\d)", name)


def _shows_share(name: str, share: float) -> bool:
    """Return whether ``share`` is in a name, rounded, as a decimal or in percent."""
    found = [(text, 1) for text in re.findall(r"\d+\.\d+", name)]
    found += [(text, 100) for text in re.findall(r"(\d+(?:\.\d+)?)%", name)]
    return any(
        abs(float(text) - share * scale) <= 0.501 * 0.1 ** len(text.partition(".")[2])
        for text, scale in found
    )


def _kept_right(kept: Kept, losses: list[float], accs: list[float]) -> list[Finding]:
    best = accs.index(max(accs))
    remark = _remarks(losses, accs).get(kept.epoch, "not the best")
    remedy = "Keep the epoch in which val/acc is highest."
    if kept.early:
        remark = "in a file written before the validation of that epoch"
        remedy = "Only after it does this epoch's val/acc exist: save then."
    seen = f"It kept epoch {kept.epoch} of 0 to {len(accs) - 1}, {remark}; "
    seen += f"val/acc was highest in epoch {best}."
    folder, _, name = kept.name.removesuffix(".ckpt").rpartition("/")
    shows = {f"epoch {best}": _shows_epoch(name, best)}
    shows["the accuracy"] = _shows_share(name, accs[best])
    missing = " and ".join(what for what, there in shows.items() if not there)
    return [
        Finding(seen, kept.epoch == best and not kept.early, remedy),
        Finding(
            f"The file lies in the sub-folder {folder!r} of the checkpoint folder.",
            not folder,
            "A slash in a file's name makes a folder, even one in a metric's name, "
            "which auto_insert_metric_name=False leaves out.",
        ),
        Finding(
            f"In epoch {best} val/acc was {accs[best]:.3f}; the file is called "
            f"{name!r}, which does not show {missing}.",
            not missing,
            "It should show the epoch and the accuracy, under the name that is logged.",
        ),
    ]


def _best_kept(
    kept: list[Kept], losses: list[float], accs: list[float]
) -> list[Finding]:
    """Return the findings on the checkpoint that comes nearest to what is asked."""
    judged = [_kept_right(each, losses, accs) for each in kept]
    if not judged:
        remedy = "Let configure_callbacks return a callback that keeps the best."
        return [Finding("No checkpoint was kept.", False, remedy)]
    return max(judged, key=lambda findings: sum(f.ok is True for f in findings))


_MACRO = 'This is the mean of the classes\' accuracies; average="micro" counts images.'


def _macro(hits: Tensor, labels: Tensor) -> float:
    """Return the mean of the classes' accuracies."""
    return sum(float(hits[labels == c].mean()) for c in labels.unique()) / len(
        labels.unique()
    )


def _scores(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return each image's loss, and 1 or 0 for a right or wrong prediction."""
    losses = F.cross_entropy(logits, labels, reduction="none")
    return losses, (logits.argmax(1) == labels).float()


_LEARNS = "Every training batch has to teach the network."


def _follows_script(
    module: L.LightningModule, size: int, script: Script
) -> Iterator[Finding]:
    images, train = lesson_images(size)[0], _batches([20, 13])
    logits = logits_of(module, images)
    labels = scripted_validations(logits, script)
    cut = [size // 3, size - size // 3]
    validations = [in_batches((images, each), cut) for each in labels]
    run = scripted_run(copy_of(module), train, validations)
    yield from training_values(run.ends, "train/loss", run.losses)
    known, given = (torch.cat(parts) for parts in zip(*train, strict=True))
    train_losses, train_hits = _scores(logits_of(module, known), given)
    losses, hits = zip(*(_scores(logits, each) for each in labels), strict=True)
    yield from validation_values(run.ends, "val/loss", train_losses, losses, cut)
    macro = [{_MACRO: _macro(*each)} for each in zip(hits, labels, strict=True)]
    yield from validation_values(run.ends, "val/acc", train_hits, hits, cut, macro)
    ran = len(run.ends)  # an EarlyStopping of the module's may end it
    by_epoch = ([float(each.mean()) for each in part[:ran]] for part in (losses, hits))
    yield from _best_kept(run.kept, *by_epoch)
    yield Finding("Training changes no weight.", any(run.changed), _LEARNS)
    seen = "After the first batch of an epoch training changes no weight."
    yield Finding(seen, any(run.changed[1::2]), _LEARNS)


def keeps_the_best(answer: Any) -> Iterator[Finding]:
    """Examine exercise 4.2: two runs whose metrics follow a script."""
    module = trained_instance(answer)
    for size, script in SCRIPTS.items():
        yield from _follows_script(module, size, script)


_4_2 = Exercise(
    practice="4.2",
    examine=keeps_the_best,
    hints=(
        "Four things to settle: the names, what the checkpoint monitors, whether more "
        "of it is better, and where the slash in its file name leads.",
        'Without `monitor` it keeps the last epoch, and `mode` is "min" unless you say '
        "otherwise. auto_insert_metric_name=False writes only what you write.",
        'ModelCheckpoint(monitor="val/acc", mode="max", auto_insert_metric_name=False, '
        'filename="epoch={epoch}-acc={val/acc:.2f}")',
    ),
    reason=(
        "Each number has its own name, the checkpoint watches the right one, and the "
        "slash stays out of the path."
    ),
)

# 4.3 ----------------------------------------------------------------------------


class Files(IterableDataset[Batch]):
    """Images in two files of different length; each process reads its own."""

    def __init__(self, images: Tensor, labels: Tensor, first: int) -> None:
        """Cut images and labels after the first ``first``."""
        self.files = in_batches((images, labels), [first, len(labels) - first])

    def __iter__(self) -> Iterator[Batch]:
        """Yield the images of this process's files."""
        group = torch.distributed
        rank, processes = 0, 1
        if group.is_available() and group.is_initialized():
            rank, processes = group.get_rank(), group.get_world_size()
        mine = self.files[rank::processes]
        return chain.from_iterable(zip(*file, strict=True) for file in mine)


_NAMES = ("val_loss", "val_worst", "val_errors")
Part = tuple[Tensor, Tensor]  # logits and labels


def _three(logits: Tensor, labels: Tensor) -> dict[str, float]:
    losses = F.cross_entropy(logits, labels, reduction="none")
    errors = (logits.argmax(1) != labels).sum()
    values = (losses.mean(), losses.max(), errors)
    return {n: float(v) for n, v in zip(_NAMES, values, strict=True)}


def _over_batches(part: Part, size: int, votes: str) -> dict[str, float]:
    """Return sums over batches, or means in which images or batches have a vote."""
    parts = in_batches(part, size)
    weights = [len(labels) if votes == "images" else 1 for _, labels in parts]
    scores = [_three(*each) for each in parts]
    total = 1 if votes == "sum" else sum(weights)
    return {
        name: sum(score[name] * w for score, w in zip(scores, weights, strict=True))
        / total
        for name in _NAMES
    }


def _mistakes(
    part: Part, before: Part, first: int, size: int
) -> dict[str, dict[str, float]]:
    files = in_batches(part, [first, len(part[0]) - first])
    one, two = (_three(*each) for each in files)
    known = {
        "This is what the first process saw.": one,
        "This is what the second process saw.": two,
        "This is the mean of the two processes' values.": {
            name: (one[name] + two[name]) / 2 for name in _NAMES
        },
        "This is the sum of the two processes' values.": {
            name: one[name] + two[name] for name in _NAMES
        },
        "This is a mean over batches.": _over_batches(part, size, "images"),
        "Each batch has the same vote, whatever its size.": _over_batches(
            part, size, "batches"
        ),
        "This is a sum over batches.": _over_batches(part, size, "sum"),
        "What an earlier validation left is still in it.": _three(
            *map(torch.cat, zip(before, part, strict=True))
        ),
    }
    return {
        name: {sentence: values[name] for sentence, values in known.items()}
        for name in _NAMES
    }


def reports_three(answer: Any) -> Iterator[Finding]:
    """Examine exercise 4.3: two files of different length, in one process and in two.

    Another validation, with large losses, goes before.
    """
    module = trained_instance(answer)
    for processes, sizes, size in ((1, (41, 29), 16), (2, (64, 32), 20)):
        images, labels = lesson_images(sum(sizes))
        others, theirs = lesson_images(24, start=400)
        theirs = (theirs + 1) % 10
        logits = logits_of(module, images)
        mistakes = _mistakes(
            (logits, labels), (logits_of(module, others), theirs), sizes[0], size
        )
        yield from metrics_are_exact(
            copy_of(module),
            DataLoader(Files(images, labels, sizes[0]), batch_size=size),
            _three(logits, labels),
            mistakes,
            otherwise="Say how batches and processes are combined.",
            processes=processes,
            before=DataLoader(Files(others, theirs, 14), batch_size=size),
        )


_4_3 = Exercise(
    practice="4.3",
    examine=reports_three,
    hints=(
        "self.log makes a mean of all it gets, unless told otherwise. Which of the "
        "three numbers is a mean?",
        "reduce_fx says how batches are combined, and sync_dist=True combines the "
        "processes in the same way.",
        'val_loss needs sync_dist=True; val_worst also reduce_fx="max"; val_errors '
        'also reduce_fx="sum".',
    ),
    reason=(
        "A mean is weighted by batch size, a maximum and a sum are what they say, over "
        "batches and over processes."
    ),
    seconds=90,
)

# 4.4 ----------------------------------------------------------------------------

_START = 0.1
_RUNS: tuple[tuple[str, int, dict[str, int]], ...] = (  # batches of 8, and flags
    ("2 epochs of 12 batches", 12, {"max_epochs": 2}),
    ("3 epochs of 7 batches", 7, {"max_epochs": 3}),
    (
        "2 epochs of 11 batches that accumulate 3",
        11,
        {"max_epochs": 2, "accumulate_grad_batches": 3},
    ),
)


def falls_to_zero(answer: Any) -> Iterator[Finding]:
    """Examine exercise 4.4: three runs of different length, then two processes.

    The Trainer accumulates only if the optimization is automatic.
    """
    data = TensorDataset(*lesson_images(96))
    automatic = True
    for run, count, options in _RUNS:
        if not automatic and "accumulate_grad_batches" in options:
            continue
        module, logger = new_instance(answer), InMemoryLogger()
        loader = DataLoader(Subset(data, range(8 * count)), batch_size=8)
        options = {**options, "logger": logger, "log_every_n_steps": 1}
        groups = settings_by_group(module, loader, **options)
        found = [[rate for _, rate, _ in group] for group in groups] or [[]]
        for rates in found:
            yield falls_on_a_line(rates, _START, run)
        yield rates_are_logged(found[0], logger, "lr")
        automatic = module.automatic_optimization
    learns = any(updates(new_instance(answer), _batches([16] * 3)).changed)
    yield Finding("Training changes no weight.", learns, "Keep the training step.")
    loader = DataLoader(data, batch_size=8)
    yield same_rates_in_two_processes(new_instance(answer), loader, max_epochs=1)


_4_4 = Exercise(
    practice="4.4",
    examine=falls_to_zero,
    hints=(
        "How often does this scheduler step, and how many updates will there be?",
        "self.trainer.estimated_stepping_batches is the number of updates of the whole "
        'run; "interval": "step" makes the scheduler step after each of them.',
        'Return {"scheduler": scheduler, "interval": "step"} as lr_scheduler, with '
        "total_iters=self.trainer.estimated_stepping_batches; in training_step log "
        '"lr" from self.optimizers().param_groups[0]["lr"].',
    ),
    reason=(
        "The scheduler counts the updates that the Trainer will make, and what is "
        "logged is read where it is applied."
    ),
    seconds=90,
)

EXERCISES = (_4_1, _4_2, _4_3, _4_4)
