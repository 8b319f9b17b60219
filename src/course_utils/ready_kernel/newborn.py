"""The kernel, just forked: it becomes what an ordinary one would be."""

import importlib.util
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from multiprocessing import process
from typing import Any

from course_utils.ready_kernel.protocol import Launch, Request

_before_imports = dict(os.environ)


def _take_environment(environment: Mapping[str, str]) -> None:
    # Libraries set variables when they are imported.
    set_by_imports = dict(os.environ.items() - _before_imports.items())
    os.environ.clear()
    os.environ.update(set_by_imports)
    os.environ.update(environment)


def _take_command(launch: Launch) -> None:
    _, _, launcher, *arguments = launch.command
    spec = importlib.util.find_spec(launcher)
    sys.argv[:] = [str(spec and spec.origin), *arguments]
    sys.orig_argv[:] = launch.command


def _take_streams(streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.__stdout__.reconfigure(line_buffering=os.isatty(1))


def _draw_random_state_anew() -> None:
    """Seed all generators from the operating system, as a new interpreter does."""
    import numpy as np
    import torch

    np.random.seed()
    torch.default_generator.seed()
    # `random` does so itself after a fork.
    process.current_process().authkey = os.urandom(32)


def take_over(request: Request) -> None:
    """Give this process its own folder, environment, streams and random state.

    Raises:
        OSError: If there is no such folder.
    """
    launch = request.launch
    os.chdir(launch.folder)
    process.ORIGINAL_DIR = os.getcwd()
    _take_environment(launch.environment)
    _take_command(launch)
    _take_streams(request.streams)
    _draw_random_state_anew()


def _handlers_of_imports() -> Iterator["logging.StreamHandler[Any]"]:
    """Yield what logs to the ``sys.stderr`` that was there before the notebook's."""
    for logger in logging.root.manager.loggerDict.values():
        for handler in getattr(logger, "handlers", ()):
            if vars(handler).get("stream") is sys.__stderr__:
                yield handler


def run() -> None:
    """Be a kernel until it is shut down."""
    import matplotlib
    from ipykernel.kernelapp import IPKernelApp

    early = [*_handlers_of_imports()]
    # Its default was read at import.
    parent = int(os.environ["JPY_PARENT_PID"])
    app = IPKernelApp.instance(parent_handle=parent)
    try:
        app.initialize()
    except Exception:  # such as a port that another process took meanwhile
        traceback.print_exc()
        sys.stderr.flush()
        # An ordinary exit would wait for its sockets for ever, and Jupyter with it.
        os._exit(1)
    for handler in early:
        handler.setStream(sys.stderr)
    matplotlib.rcParams["backend"] = os.environ["MPLBACKEND"]  # read at import, too
    app.start()
