"""Settings that outlive the code which made them, and how to put them back.

A seed, ``torch.use_deterministic_algorithms`` or an environment variable set in one
experiment changes the next one. `preserve_global_state` restores all of them.
"""

import contextlib
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest import mock

import lightning as L
import numpy as np
import torch
from torch import nn

Restore = Callable[[], None]


def set_safe_globals(known: list[Any]) -> None:
    """Let ``torch.load`` build these besides tensors and containers, and no others."""
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(known)


# What the first returned before the block, the second gets after it.
_GETTERS_AND_SETTERS: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (torch.get_rng_state, torch.set_rng_state),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (torch.serialization.get_safe_globals, set_safe_globals),
)


def _cuda_generators() -> Restore:
    if not torch.cuda.is_initialized():
        return lambda: None
    return partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())


def _modes() -> Restore:
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    anomaly = torch.is_anomaly_enabled()
    check_nan = torch.is_anomaly_check_nan_enabled()
    threads = torch.get_num_threads()
    device = torch.get_default_device()
    cudnn = torch.backends.cudnn
    flags = cudnn.benchmark, cudnn.deterministic

    def restore() -> None:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.autograd.set_detect_anomaly(anomaly, check_nan)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        cudnn.benchmark, cudnn.deterministic = flags

    return restore


def _library_classes() -> Restore:
    """Return what undoes patches such as ``L.Trainer.fit = ...``."""
    data = torch.utils.data
    owners = [L.Trainer, L.LightningModule, L.LightningDataModule, nn.Module]
    owners += [torch.Tensor, torch.optim.Optimizer, data.DataLoader, data.Dataset]
    before = [(owner, dict(vars(owner))) for owner in owners]

    def restore() -> None:
        for owner, attributes in before:
            for name in vars(owner).keys() - attributes.keys():
                delattr(owner, name)
            for name, value in attributes.items():
                if vars(owner).get(name) is not value:
                    setattr(owner, name, value)

    return restore


def _log_levels() -> Restore:
    known = [logging.root, *logging.root.manager.loggerDict.values()]
    levels = [(each, each.level) for each in known if isinstance(each, logging.Logger)]
    disabled = logging.root.manager.disable

    def restore() -> None:
        for logger, level in levels:
            if logger.level != level:  # setting it is slow: it clears all caches
                logger.setLevel(level)
        logging.disable(disabled)

    return restore


@contextlib.contextmanager
def preserve_global_state() -> Iterator[None]:
    """Run a block, then put every sticky global setting back, also after an error.

    Covered: random generators (Python, NumPy, torch, CUDA), deterministic mode,
    default dtype and device, matmul precision, grad and anomaly mode, thread count,
    cuDNN's ``benchmark`` and ``deterministic``, the recursion limit, methods of the
    main classes of torch and Lightning, the environment, the working folder,
    warning filters, log levels and what torch may load from files.

    Example:
        >>> import torch
        >>> with preserve_global_state():
        ...     torch.set_default_dtype(torch.float64)
        >>> torch.get_default_dtype()
        torch.float32
    """
    folder = os.getcwd()
    restores = [
        *(partial(put_back, get()) for get, put_back in _GETTERS_AND_SETTERS),
        _cuda_generators(),
        _modes(),
        _library_classes(),
        _log_levels(),
        lambda: os.chdir(folder),
    ]
    with contextlib.ExitStack() as stack:  # one that fails does not stop the others
        for restore in restores:
            stack.callback(restore)
        # It also forgets which warnings were shown "once", so that they show again.
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(mock.patch.dict(os.environ))
        yield
