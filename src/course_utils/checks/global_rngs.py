"""The global random generators: Python's, NumPy's and torch's."""

import random
from typing import Any

import numpy as np
import torch


def scramble_global_rngs(seed: int) -> None:
    """Put the global random generators into another state, as another run would."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def global_rng_states() -> tuple[Any, ...]:
    """Return the generators' states as values that can be compared."""
    _, keys, *rest = np.random.get_state()
    return random.getstate(), keys.tolist(), rest, torch.get_rng_state().tolist()
