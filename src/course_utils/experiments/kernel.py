"""Prepare a notebook's kernel: one thread, one seed, silent libraries, data checked."""

import gc
import logging
import warnings
from collections.abc import Iterable

import lightning as L
import torch
from lightning.fabric.utilities.rank_zero import LightningDeprecationWarning

from course_utils import hardware, settings, syllabus
from course_utils._version import __version__
from course_utils.data import ImageDataModule

_LOGGERS = (
    "lightning.pytorch",
    "lightning.pytorch.utilities.rank_zero",
    "lightning.fabric",
    "lightning.fabric.utilities.seed",
)
# Cells run in `__main__`. A filter's `module` is matched against the code that called.
_OURS = r"(__main__|course_utils)\b"
_DEPRECATED = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


def _silence() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("lightning", "torch", "torchmetrics"):
        warnings.filterwarnings("ignore", module=rf"{module}\b")


def _refuse_deprecated_calls() -> None:
    for category in _DEPRECATED:
        warnings.filterwarnings("error", category=category, module=_OURS)
    # Lightning warns late, from its own modules: no module of ours would match.
    warnings.filterwarnings("error", category=LightningDeprecationWarning)


def _freeze_imported_objects() -> None:
    """Exclude what was imported from every later garbage collection.

    The libraries are 400,000 objects that live until the kernel ends. `contrast` and
    `TrainingMemory` collect often, and walking through all of them would take a
    quarter of a second each time.
    """
    gc.collect()
    gc.freeze()


def _version_mismatch(written_for: str) -> str:
    """Return a sentence if helpers and notebook differ, ``""`` if they agree."""
    if __version__.rpartition(".")[0] == written_for:
        return ""
    return (
        f"This notebook was written for course helpers {written_for}, but "
        f"{__version__} is installed. Download both in the same version."
    )


def start(lesson: str, written_for: str, remarks: Iterable[str] = ()) -> None:
    """Silence the libraries, seed, then print the lesson, its device and its data.

    Args:
        lesson: Lesson id.
        written_for: Version of the helpers that the notebook was written for.
        remarks: Sentences to print after that.

    Raises:
        ValueError: If the lesson or the data that ``COURSE_DATA`` names is unknown, or
            another ``COURSE_`` variable is wrong.
    """
    title = syllabus.load().lesson(lesson).title
    _silence()
    if settings.strict():
        _refuse_deprecated_calls()
    _freeze_imported_objects()
    torch.set_num_threads(1)
    L.seed_everything(settings.seed(), verbose=False)
    why_no_gpu = hardware.why_no_gpu()
    device = "GPU" if hardware.profile().accelerator == "gpu" else "CPU"
    if why_no_gpu:
        hardware.hide_gpu()
    print(f"Lesson {lesson}, {title}, on the {device} of {hardware.place()}.")
    print(ImageDataModule().describe())
    mismatch = _version_mismatch(written_for)
    for sentence in filter(None, [why_no_gpu, *remarks, mismatch]):
        print(sentence)
