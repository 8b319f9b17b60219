"""Are reported metrics the exact ones, in one process and in two?"""

from collections.abc import Iterator, Mapping

import lightning as L
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.known_mistakes import value_is
from course_utils.checks.learner_code import learners_code
from course_utils.checks.several_processes import in_processes
from course_utils.hardware import quiet_trainer


def reported_by_rank(
    module: L.LightningModule,
    loader: DataLoader,
    processes: int = 1,
    before: DataLoader | None = None,
) -> list[dict[str, float]]:
    """Validate and return what callbacks of each process see, by metric name.

    Args:
        module: Has a ``validation_step``.
        loader: Its length in images should divide evenly among the processes, since
            a distributed sampler repeats images to fill up.
        processes: 1, or more to run on the CPU with gloo.
        before: Validated first, as in an earlier epoch.

    Raises:
        LearnerError: If validation raises or the processes wait for each other.
        CannotCheck: If no second process can be started.
    """

    def validate() -> dict[str, float]:
        strategy = "ddp" if processes > 1 else "auto"
        options = quiet_trainer(accelerator="cpu", devices=processes, strategy=strategy)
        for each in [loader] if before is None else [before, loader]:
            trainer = L.Trainer(**options)
            with learners_code("Validation"):
                trainer.validate(module, each, verbose=False)
        return {name: float(v) for name, v in trainer.callback_metrics.items()}

    return [validate()] if processes == 1 else in_processes(validate, processes)


def reported(
    module: L.LightningModule, loader: DataLoader, processes: int = 1
) -> dict[str, float]:
    """Validate and return what callbacks of the first process see, by metric name.

    Arguments and errors are those of `reported_by_rank`.
    """
    return reported_by_rank(module, loader, processes)[0]


def not_logged(name: str, metrics: Mapping[str, float]) -> Finding:
    """Return the finding that ``name`` is not among the logged ``metrics``."""
    known = ", ".join(metrics) or "nothing"
    seen = f"No metric named {name!r} was logged (found: {known})."
    return Finding(seen, False, f'Log it with self.log("{name}", ...).')


def metrics_are_exact(
    module: L.LightningModule,
    loader: DataLoader,
    truths: Mapping[str, float],
    mistakes: Mapping[str, Mapping[str, float]],
    *,
    otherwise: str,
    processes: int = 1,
    before: DataLoader | None = None,
) -> Iterator[Finding]:
    """Validate, and yield for each metric whether it equals its exact value.

    In several processes, one that logs the metric at all must log the exact value.

    Args:
        module: Has a ``validation_step``.
        loader: Validation batches, see `reported_by_rank`.
        truths: The exact value over all images, by the name it is logged under.
        mistakes: Known wrong values of each metric, see `value_is`.
        otherwise: The remedy for other wrong values.
        processes: How many processes validate.
        before: Validated first, as in an earlier epoch.

    Raises:
        LearnerError: If validation raises or the processes wait for each other.
        CannotCheck: If no second process can be started.
    """
    first, *others = reported_by_rank(module, loader, processes, before)
    where = f"with {processes} process{'es' if processes > 1 else ''}"
    for name, truth in truths.items():
        if name not in first:
            yield not_logged(name, first)
        for rank, metrics in enumerate([first, *others]):
            if name not in metrics:
                continue
            there = f"in process {rank} of 0 to {processes - 1}" if rank else where
            value = metrics[name]
            seen = f"{name} is {value:.3f} {there}; the exact value is {truth:.3f}."
            known = mistakes.get(name, {})
            yield value_is(value, truth, known, seen=seen, otherwise=otherwise)
