"""Is a reported metric the exact one, in one process and in two?"""

import re
from collections.abc import Callable, Mapping

import lightning as L
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.distributed import ProcessError, ProcessTimeoutError, run_processes
from course_utils.hardware import quiet_trainer

TOLERANCE = 1e-5
TIMEOUT_SECONDS = 40.0


def _without_wrapper(message: str) -> str:
    """Remove our own error class and, where any rank may be first, its number."""
    message = re.sub(r"^Rank \d+ raised LearnerError: ", "", message)
    return message.replace(" raised LearnerError (", " failed (")


def reported(
    module: L.LightningModule, loader: DataLoader, processes: int = 1
) -> dict[str, float]:
    """Validate and return what callbacks of the first process see, by metric name.

    Args:
        module: Has a ``validation_step``.
        loader: Its length in images should divide evenly among the processes, since
            a distributed sampler repeats images to fill up.
        processes: 1, or more to run on the CPU with gloo.

    Raises:
        LearnerError: If validation raises or the processes wait for each other.
    """

    def validate() -> dict[str, float]:
        strategy = "ddp" if processes > 1 else "auto"
        options = quiet_trainer(accelerator="cpu", devices=processes, strategy=strategy)
        trainer = L.Trainer(**options)
        with learners_code("Validation"):
            trainer.validate(module, loader, verbose=False)
        return {name: float(v) for name, v in trainer.callback_metrics.items()}

    if processes == 1:
        return validate()
    try:
        return run_processes(
            validate, processes=processes, timeout_seconds=TIMEOUT_SECONDS
        )[0]
    except (ProcessError, ProcessTimeoutError) as error:
        said = _without_wrapper(str(error))
        raise LearnerError(f"With {processes} processes: {said}") from error
    except OSError as error:
        raise CannotCheck(f"No second process could be started: {error}.") from error


def metric_is_exact(
    module: Callable[[], L.LightningModule],
    loader: DataLoader,
    name: str,
    truth: float,
    mistakes: Mapping[str, float],
    processes: int = 1,
) -> Finding:
    """Ask whether the metric ``name`` equals ``truth``.

    Args:
        module: Makes a fresh module.
        loader: Validation batches, see `reported`.
        name: Name that the metric is logged under.
        truth: The exact value over all images.
        mistakes: What a value means that equals a known wrong one, as sentences,
            for example ``{"This is the mean of batch scores.": 0.61}``.
        processes: How many processes validate.
    """
    where = f"with {processes} process{'es' if processes > 1 else ''}"
    asked = f"{name} {where}"
    metrics = reported(module(), loader, processes)
    if name not in metrics:
        known = ", ".join(metrics) or "nothing"
        seen = f"Callbacks find no metric {name!r}; they see {known}."
        return Finding(asked, seen, False, f'Log it with self.log("{name}", ...).')
    value = metrics[name]
    seen = f"{name} is {value:.3f} {where}, exact is {truth:.3f}."
    if abs(value - truth) <= TOLERANCE:
        return Finding(asked, seen, True)
    why = [text for text, wrong in mistakes.items() if abs(value - wrong) <= TOLERANCE]
    remedy = why[0] if why else "Collect counts over all images and divide once."
    return Finding(asked, seen, False, remedy)
