"""Run a command within limits of time, memory and disk, and end all that it starts."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

_POLL_SECONDS = 0.1
_ROUNDS = 50
_MEGABYTE = 2**20
_END = 240  # bytes of what was printed last that may be a reason


def _environment(folder: Path) -> dict[str, str]:
    caches = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TRITON_CACHE_DIR",
              "TORCHINDUCTOR_CACHE_DIR", "TMPDIR")  # fmt: skip
    return {
        **os.environ,
        **{name: str(folder) for name in caches},
        # On the CPU: a GPU is simulated, so that the answers are those of any machine.
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:  # it has just ended
        return []


def _orphans(folder: Path) -> list[psutil.Process]:
    """Return what was started with this folder for its temporary files.

    A daemon has no parent any more, and is known by that.
    """
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if each.environ().get("TMPDIR") == str(folder):
                found.append(each)
    return found


def _kill(processes: Iterable[psutil.Process]) -> None:
    for each in processes:
        with contextlib.suppress(psutil.Error):
            each.kill()


def _megabytes_of(processes: Iterable[psutil.Process]) -> float:
    """Return the memory of processes; of those that ended, none."""
    total = 0
    for each in processes:
        with contextlib.suppress(psutil.Error):
            total += each.memory_info().rss
    return total / _MEGABYTE


def _megabytes_below(folder: Path) -> float:
    """Return the size of the files in a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # it has just been removed
                total += os.lstat(os.path.join(place, name)).st_size
    return total / _MEGABYTE


def _wait(
    child: "subprocess.Popen[bytes]", folder: Path, seconds: float, megabytes: float
) -> str:
    """Wait for the end, and return why it was stopped, ``""`` if it was not."""
    process, start = psutil.Process(child.pid), time.monotonic()
    family = {process}
    try:
        while child.poll() is None:
            family.update(_descendants(process))
            if time.monotonic() - start > seconds:
                return f"the run was stopped after {seconds:.0f} seconds."
            if _megabytes_of(family) > megabytes:
                return f"the run was stopped at {megabytes:.0f} megabytes."
            if _megabytes_below(folder) > megabytes:
                return f"the run was stopped at {megabytes:.0f} megabytes of files."
            time.sleep(_POLL_SECONDS)
    finally:
        _kill(family)
        child.wait()
        for _ in range(_ROUNDS):  # one may start another meanwhile
            if not (left := _orphans(folder)):
                break
            _kill(left)
            time.sleep(_POLL_SECONDS)
    return ""


def _last_line(file: Path) -> str:
    with file.open("rb") as said:
        said.seek(-min(_END, file.stat().st_size), os.SEEK_END)
        lines = said.read().decode("utf-8", "replace").split("\n")
    return next((each.strip() for each in reversed(lines) if each.strip()), "")


def run_within(
    folder: Path, command: Sequence[str], seconds: float, megabytes: float
) -> str:
    """Run a command, and return why it did not end well, ``""`` if it did.

    Whatever it has started ends with it, a daemon too.

    Args:
        folder: For its temporary files, caches, and in ``said.txt`` what it prints;
            nothing else may use it.
        command: The program and its arguments.
        seconds: After which it is stopped.
        megabytes: Memory of it and what it starts, and size of the files in `folder`,
            above which it is stopped, in 2^20 bytes.
    """
    file = folder / "said.txt"
    with file.open("wb") as said:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=_environment(folder),
        )
        why = _wait(child, folder, seconds, megabytes)
    if why or not child.returncode:
        return why
    end = _last_line(file) or "it said nothing"
    return f"its process ended with status {child.returncode}: {end}"
