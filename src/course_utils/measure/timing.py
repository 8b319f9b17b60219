"""Compare seconds: versions take turns, so that a slow moment is shared."""

import time
from collections.abc import Callable, Mapping

import torch


def seconds(
    versions: Mapping[str, Callable[[], object]], repeats: int = 5
) -> dict[str, list[float]]:
    """Return wall seconds of each version, ``repeats`` times, interleaved.

    Versions take turns (a b a b ...), so a machine that slows down slows all of them.
    Compare medians, as ratios. With a GPU each run is waited for.
    """
    found: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(repeats):
        for name, version in versions.items():
            start = time.perf_counter()
            version()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            found[name].append(time.perf_counter() - start)
    return found
