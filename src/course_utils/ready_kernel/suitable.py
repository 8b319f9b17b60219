"""Where a kernel may be a fork: what the ordinary start is kept for."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any

from course_utils import settings
from course_utils.environment import for_kernel

_LAUNCHER = "ipykernel_launcher"  # what an ordinary kernel is started with
_LESSON = "[0-9][0-9]_*.ipynb"
_OPTIONS = {"env", "cwd", "stdin", "stdout", "stderr", "kernel_id", "extra_arguments"}
DEVICES = Path("/dev")
# CUDA on Linux, on Jetson and on Windows's Linux; ROCm. CUDA cannot be forked.
_GPUS = ("nvidia*", "nvhost*", "dxg", "kfd")
# Of one kernel alone, or read when they are used. Others may be read at an import.
_OF_A_KERNEL = (
    *("COURSE_*", "JPY_*", "JUPYTER_SERVER_*", "IPYTHONDIR"),
    *("PYTEST_*", "TERM", "COLUMNS", "LINES", "PWD", "OLDPWD", "SHLVL", "_"),
)


def has_gpu() -> bool:
    """Return whether this machine shows a device that CUDA or ROCm could use."""
    return any(any(DEVICES.glob(pattern)) for pattern in _GPUS)


def is_lesson(environment: Mapping[str, str]) -> bool:
    """Return whether Jupyter starts the kernel for a lesson or its solutions."""
    return fnmatch(PurePath(environment.get("JPY_SESSION_NAME", "")).name, _LESSON)


def environment_of_parent(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a kernel and its parent have in common.

    ``OMP_NUM_THREADS`` is 1, as a lesson sets it before it imports torch.
    """
    common = {
        name: value
        for name, value in environment.items()
        if not any(fnmatch(name, pattern) for pattern in _OF_A_KERNEL)
    }
    return {"OMP_NUM_THREADS": "1", **common}


def _reads_its_folder(environment: Mapping[str, str], folder: str) -> bool:
    # Python resolves its path, and Matplotlib finds its settings, at the start.
    paths = environment.get("PYTHONPATH", "")
    relative = paths and not all(map(os.path.isabs, paths.split(os.pathsep)))
    return bool(relative) or Path(folder, "matplotlibrc").exists()


def _refuse(reasons: Mapping[str, bool]) -> None:
    for reason, applies in reasons.items():
        if applies:
            raise ValueError(reason)


def check_machine(variables: Mapping[str, str]) -> None:
    """Check that kernels with these environment variables may be forks here.

    Raises:
        ValueError: If they have to start in the ordinary way; why, in a few words.
    """
    _refuse(
        {
            "the setting": settings.kernel(variables) != "ready",
            "the system": sys.platform != "linux",
            "a GPU": has_gpu(),
            "variables that change runs": for_kernel(variables) != variables,
        }
    )


def check(
    command: Sequence[str], options: Mapping[str, Any], any_notebook: bool
) -> None:
    """Check that a kernel may be a fork.

    Args:
        command: The kernel's command line.
        options: What Jupyter passes to ``Popen``.
        any_notebook: Whether all notebooks are lessons, whatever their names.

    Raises:
        ValueError: If it has to start in the ordinary way; why, in a few words.
    """
    variables, folder = options["env"], options.get("cwd") or os.getcwd()
    check_machine(variables)
    streams = [options.get(name) for name in ("stdin", "stdout", "stderr")]
    _refuse(
        {
            "no lesson": not (any_notebook or is_lesson(variables)),
            "another command": [*command[:3]] != [sys.executable, "-m", _LAUNCHER],
            "other options": not options.keys() <= _OPTIONS
            or subprocess.PIPE in streams,
            "settings in its folder": _reads_its_folder(variables, str(folder)),
        }
    )
