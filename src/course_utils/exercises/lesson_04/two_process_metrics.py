"""Are all the metrics of a validation exact, however many processes share it?"""

from collections.abc import Mapping

import lightning as L
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.metrics import TOLERANCE, reported


def metrics_are_exact(
    module: L.LightningModule,
    loader: DataLoader,
    truths: Mapping[str, float],
    mistakes: Mapping[str, Mapping[str, float]],
    processes: int = 1,
) -> list[Finding]:
    """Ask of every metric whether it equals its exact value, in one run.

    Args:
        module: Has a ``validation_step``.
        loader: Validation batches; each process must get its own part of them.
        truths: The exact value of each metric over all samples.
        mistakes: For each metric, what a value means that equals a known wrong one,
            as sentences, for example ``{"This is the first process's.": 0.61}``.
        processes: How many processes validate.

    Raises:
        LearnerError: If validation raises or the processes wait for each other.
    """
    where = f"with {processes} process{'es' if processes > 1 else ''}"
    metrics = reported(module, loader, processes)
    findings = []
    for name, truth in truths.items():
        asked = f"{name} {where}"
        if name not in metrics:
            known = ", ".join(metrics) or "nothing"
            seen = f"Callbacks find no metric {name!r}; they see {known}."
            remedy = f'Log it with self.log("{name}", ...).'
            findings.append(Finding(asked, seen, False, remedy))
            continue
        value = metrics[name]
        near = [
            sentence
            for sentence, wrong in mistakes.get(name, {}).items()
            if abs(value - wrong) <= TOLERANCE * max(1.0, abs(wrong))
        ]
        seen = f"{name} is {value:.3f} {where}, exact is {truth:.3f}."
        ok = abs(value - truth) <= TOLERANCE * max(1.0, abs(truth))
        remedy = near[0] if near else "Say how batches and processes are combined."
        findings.append(Finding(asked, seen, ok, "" if ok else remedy))
    return findings
