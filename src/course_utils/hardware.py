"""Detect the hardware and scale experiments to it."""

import os
import sys
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Profile:
    """The scale of the experiments on one kind of machine.

    Attributes:
        accelerator: For ``L.Trainer(accelerator=...)``: ``"cpu"`` or ``"gpu"``.
        data: Data set used unless ``COURSE_DATA`` names another.
    """

    accelerator: str
    data: str


CPU = Profile(accelerator="cpu", data="embedded")
GPU = Profile(accelerator="gpu", data="mnist")


def profile() -> Profile:
    """Return `GPU` if torch sees a CUDA device, else `CPU`."""
    return GPU if torch.cuda.is_available() else CPU


def place() -> str:
    """Return where the kernel runs: Colab, Binder or this machine."""
    if "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ:
        return "Colab"
    return "Binder" if "BINDER_SERVICE_HOST" in os.environ else "this machine"


def quiet_trainer(**changes: Any) -> dict[str, Any]:
    """Return keyword arguments for a ``Trainer`` that prints and writes nothing.

    One device, no logger, no checkpoints, no progress bar, no summary: what remains
    in a ``Trainer(...)`` call of a lesson is what that lesson is about.

    Args:
        **changes: Arguments that replace or extend the quiet ones.
    """
    return {
        "accelerator": profile().accelerator,
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        **changes,
    }
