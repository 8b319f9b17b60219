"""Prepare a notebook's kernel: one thread, one seed, silent libraries, known data."""

import logging
import warnings

import lightning as L
import torch

from course_utils import __version__, hardware, settings, syllabus
from course_utils.data import ImageDataModule

_LOGGERS = (
    "lightning.pytorch",
    "lightning.pytorch.utilities.rank_zero",
    "lightning.fabric",
    "lightning.fabric.utilities.seed",
)


def _silence() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("lightning", "torch", "torchmetrics"):
        warnings.filterwarnings("ignore", module=rf"{module}\b")


def _mismatch(written_for: str) -> str:
    """Return a sentence if helpers and notebook differ, ``""`` if they agree."""
    if __version__.rpartition(".")[0] == written_for:
        return ""
    return (
        f"This notebook was written for course helpers {written_for}, but "
        f"{__version__} is installed. Download both in the same version."
    )


def start(lesson: str, written_for: str) -> None:
    """Quiet the libraries, seed, then print the lesson, its data and its device.

    Raises:
        ValueError: If the lesson or the data that ``COURSE_DATA`` names is unknown.
    """
    title = syllabus.load().lesson(lesson).title
    _silence()
    torch.set_num_threads(1)
    L.seed_everything(settings.seed(), verbose=False)
    device = "GPU" if hardware.profile().accelerator == "gpu" else "CPU"
    print(f"Lesson {lesson}, {title}, on the {device} of {hardware.place()}.")
    print(ImageDataModule().describe())
    if sentence := _mismatch(written_for):
        print(sentence)
