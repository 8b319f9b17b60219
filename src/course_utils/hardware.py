"""Detect the hardware and scale experiments to it."""

import os
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from course_utils import settings


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
MEGABYTE = 2**20


@cache  # one trial per process: a failing one can take a second
def _failure_on_gpu() -> str:
    """Return the first line of the error that a computation on the GPU raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what is tried here
            ones = torch.ones(2, 2, device="cuda:0")
            (ones @ ones).sum().item()  # `item` waits until the GPU has computed
    except (RuntimeError, AssertionError) as error:
        return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return ""


def why_no_gpu() -> str:
    """Return in a sentence why a GPU that torch sees is not used, or ``""``.

    Raises:
        ValueError: If ``COURSE_DEVICE`` is set to something else than ``cpu``.
    """
    kept = settings.cpu_only()
    if not torch.cuda.is_available():
        return ""
    if kept:
        return "The GPU is not used: COURSE_DEVICE=cpu."
    if failure := _failure_on_gpu():
        return f"The GPU is not used, as a first computation on it failed: {failure}."
    return ""


def hide_gpu() -> None:
    """Let everything in this process find no GPU, also what a learner writes."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for processes that are started from here
    # The variable alone comes too late if CUDA was asked before.
    torch.cuda.is_available = lambda: False
    torch.cuda.device_count = lambda: 0


def profile() -> Profile:
    """Return `GPU` if torch sees a CUDA device that can compute, else `CPU`."""
    return CPU if why_no_gpu() or not torch.cuda.is_available() else GPU


def _driver() -> str:
    """Return the version of NVIDIA's driver, or ``"unknown"``."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(
            query, capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        said = ""
    kernel_module = Path("/proc/driver/nvidia/version")  # a container may lack the tool
    if not said.strip() and kernel_module.is_file():
        said = kernel_module.read_text("utf-8")
    version = re.search(r"\b\d+\.\d+(?:\.\d+)?\b", said)
    return version[0] if version else "unknown"


def gpu_details() -> dict[str, Any]:
    """Return ``card``, its ``card_megabytes`` (2^20 bytes), ``driver`` and ``cuda``.

    Raises:
        RuntimeError: If there is no CUDA device.
    """
    properties = torch.cuda.get_device_properties(0)
    return {
        "card": properties.name,
        "card_megabytes": round(properties.total_memory / MEGABYTE),
        "driver": _driver(),
        "cuda": torch.version.cuda or "none",
    }


def peak_gpu_memory() -> dict[str, float]:
    """Return the most memory, in 2^20 bytes, that this process had on the first GPU.

    ``allocated`` counts tensors, ``reserved`` all that PyTorch's allocator took for
    them. Both count from the process's start, or from its last
    ``torch.cuda.reset_peak_memory_stats()``; zeros if it did not use a GPU.
    """
    return {
        "allocated": round(torch.cuda.max_memory_allocated() / MEGABYTE, 1),
        "reserved": round(torch.cuda.max_memory_reserved() / MEGABYTE, 1),
    }


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
