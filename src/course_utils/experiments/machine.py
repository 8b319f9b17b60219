"""What a lesson needs of a machine: Python, packages, cores, memory, disk, a GPU."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from course_utils import hardware, settings, syllabus
from course_utils.data.cache import cache_folders

PACKAGE = "lightning-course-utils"
SHOWN = ("torch", "lightning", "torchmetrics", "torchvision", "matplotlib")
BUILDS = ("torch", "torchvision")  # replaced, as on Colab, they may lose the GPU
DISK_MEGABYTES = 200  # unpacked digits, and a lesson's checkpoints many times over


@dataclass(frozen=True)
class Observation:
    """What was seen of one part of a machine.

    Attributes:
        part: Its name, for example ``"memory"``.
        seen: What was observed.
        remedy: What to do about it; ``""`` if all is well.
        blocks: Whether lessons cannot run as it is.
    """

    part: str
    seen: str
    remedy: str = ""
    blocks: bool = False

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return not self.remedy

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.part}: {self.seen}" + (
            f". {self.remedy}." if self.remedy else ""
        )


def _asked(field: str) -> list[str]:
    """Return what the helpers ask for; nothing if they are used uninstalled.

    Args:
        field: ``"Requires-Python"`` or ``"Requires-Dist"``.
    """
    try:
        return metadata.metadata(PACKAGE).get_all(field) or []
    except metadata.PackageNotFoundError:  # on PYTHONPATH, as `make gpu` has them
        return []


def python() -> Observation:
    """Compare this Python with the range that the helpers ask for."""
    version = platform.python_version()
    wanted = ",".join(_asked("Requires-Python"))
    fits = SpecifierSet(wanted).contains(version, prereleases=True)
    remedy = "" if fits else f"Install one that is {wanted}"
    return Observation("Python", version, remedy, blocks=not fits)


def packages() -> Iterator[Observation]:
    """Compare the packages that lessons use most with their ranges."""
    required = map(Requirement, _asked("Requires-Dist"))
    for need in (each for each in required if each.name in SHOWN):
        install = f'Run `python -m pip install "{need.name}{need.specifier}"`'
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield Observation(need.name, "not installed", install, blocks=True)
            continue
        fits = need.specifier.contains(version, prereleases=True)
        seen = version if fits else f"{version}, tested with {need.specifier}"
        if need.name in BUILDS:
            install = "It stays, built for this machine; numbers may differ"
        yield Observation(need.name, seen, "" if fits else install)


def cores() -> Observation:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return Observation("cores", str(len(os.sched_getaffinity(0))))
    return Observation("cores", str(os.cpu_count()))


def _free_memory() -> float:
    """Return what this process may still take, in bytes: a container's limit counts."""
    free = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")  # version 2, as seen from within a container
    try:
        limit = int((group / "memory.max").read_text())  # ValueError for "max"
        used = int((group / "memory.current").read_text())
        lines = (group / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return free
    reclaimable = dict(line.split() for line in lines).get("inactive_file", 0)
    return min(free, limit - used + int(reclaimable))


def memory() -> Observation:
    """Compare the memory that is free with what the largest lesson may take."""
    free = _free_memory() / 1e6
    need = max(lesson.megabytes for lesson in syllabus.load().ready)
    seen = f"{free:,.0f} MB free, a lesson may need {need:,.0f} MB"
    return Observation("memory", seen, "" if free > need else "Close other programs")


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def disk() -> Observation:
    """Look at the room where data is unpacked."""
    folder = cache_folders()[0]
    free = shutil.disk_usage(_existing(folder)).free / 1e6
    remedy = f"Make room, {DISK_MEGABYTES} MB at least, or set COURSE_CACHE_DIR"
    enough = free > DISK_MEGABYTES
    return Observation(
        "disk", f"{free:,.0f} MB free for {folder}", "" if enough else remedy
    )


def _unseen_gpu() -> Observation:
    """Say why torch sees no GPU, if there is one."""
    part, on_cpu = "GPU", "so lessons run on the CPU"
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return Observation(part, f"hidden by CUDA_VISIBLE_DEVICES, {on_cpu}")
    if torch.backends.mps.is_available():
        return Observation(part, f"Apple's, which the course does not use, {on_cpu}")
    if not any(Path("/proc/driver/nvidia/gpus").glob("*")):
        return Observation(part, f"none that torch can use, {on_cpu}")
    if torch.version.cuda is None:
        seen = f"torch {torch.__version__} is built without CUDA, {on_cpu}"
        return Observation(part, seen, "For the GPU, install a build with CUDA")
    seen = f"torch, built for CUDA {torch.version.cuda}, cannot use it, {on_cpu}"
    return Observation(part, seen, "For the GPU, update its driver")


def gpu() -> Observation:
    """Say which GPU is used, or why none is."""
    if not torch.cuda.is_available():
        return _unseen_gpu()
    if reason := hardware.why_no_gpu().rstrip("."):
        remedy = "" if settings.cpu_only() else "Install a torch that is built for it"
        return Observation("GPU", reason, remedy)
    return Observation("GPU", f"{torch.cuda.get_device_name(0)}, works")
