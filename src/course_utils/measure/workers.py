"""Which processes serve a data loader."""

from collections.abc import Iterable
from typing import Any

import psutil


def _is_worker(process: psutil.Process) -> bool:
    try:
        ended = process.status() == psutil.STATUS_ZOMBIE
        tracker = any("resource_tracker" in word for word in process.cmdline())
        # A fork server is no worker, its children are.
        return not (ended or tracker or process.children())
    except psutil.NoSuchProcess:
        return False


def child_workers() -> set[int]:
    """Return the ids of the processes that work for this one right now."""
    children = psutil.Process().children(recursive=True)
    return {each.pid for each in children if _is_worker(each)}


def worker_processes(loader: Iterable[Any], epochs: int) -> set[int]:
    """Run through ``loader`` and return the ids of all processes that served it.

    Args:
        loader: Anything that ``iter`` accepts several times.
        epochs: How often to run through it.
    """
    before, found = child_workers(), set()
    for _ in range(epochs):
        for place, _batch in enumerate(loader):
            if place == 0:
                found |= child_workers() - before
    return found
