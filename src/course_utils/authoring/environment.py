"""The machine and the versions that a measurement depends on."""

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Machine:
    """Where something was measured; the host's name is left out.

    Attributes:
        cores: Processor cores that the measurement may use.
        gigabytes: Memory of the machine, in 2^30 bytes.
        processor: Name of the processor.
        system: Operating system and architecture.
    """

    cores: int
    gigabytes: float
    processor: str
    system: str

    def __str__(self) -> str:
        """Return all of it in one line."""
        machine = f"{self.system}, {self.processor}"
        return f"{machine}, {self.cores} cores, {self.gigabytes:.0f} GB"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(names, "").strip() or platform.machine()


def system() -> str:
    """Return the operating system and the architecture."""
    return f"{platform.system()} {platform.machine()}"


def this_machine() -> Machine:
    """Return what this machine is."""
    if hasattr(os, "sched_getaffinity"):  # Linux: a container may have fewer
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    gigabytes = round(psutil.virtual_memory().total / 2**30, 1)
    return Machine(cores, gigabytes, _processor(), system())


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of installed packages."""
    found = {name: metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **found}
