"""The parent: imports what lessons import, then forks a kernel for each request.

It has one thread, touches no GPU, and ends with its server. If it fails, its sockets
close, and the server starts an ordinary kernel; so it does if a fork alone fails.
"""

import gc
import importlib
import os
import pkgutil
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from course_utils.ready_kernel import newborn, protocol

_LIBRARIES = (
    *("course_utils.experiments.kernel", "torchvision"),
    *("torchmetrics", "matplotlib.pyplot"),
)
_PACKAGE = Path(__file__).parents[1]
_NOT_FOR_LESSONS = {"authoring", "cli", "own_code", "ready_kernel"}
_PATIENCE = 5.0  # seconds between two looks whether the server is there


def _rooms() -> Iterator[str]:
    """Yield every module of the rooms that lessons use."""
    for room in pkgutil.iter_modules([str(_PACKAGE)], f"{_PACKAGE.name}."):
        if room.ispkg and room.name.partition(".")[2] not in _NOT_FOR_LESSONS:
            path = importlib.import_module(room.name).__path__
            yield from (m.name for m in pkgutil.walk_packages(path, f"{room.name}."))


def _import_all() -> None:
    # As `ipykernel_launcher` does: a kernel imports nothing from the folder it is in.
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]
    # The kernel comes first, as in a kernel: some libraries look whether they are in
    # one, and `doctest` derives from the debugger that a kernel puts in its place.
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp().init_pdb()
    for name in (*_LIBRARIES, *_rooms()):
        importlib.import_module(name)
    # A collection in a kernel would write to, and so copy, the memory that is shared.
    gc.collect()
    gc.freeze()


def _check_can_fork() -> None:
    """Check that a fork has all that this process has.

    Raises:
        RuntimeError: If there is another thread, or a GPU in use.
    """
    import torch

    threads = len(os.listdir("/proc/self/task"))
    if threads != 1 or torch.cuda.is_initialized():
        raise RuntimeError(f"Expected one thread and no GPU but got {threads} threads.")


def _fork(request: protocol.Request, server: int) -> bool:
    """Return True in a new process, which is a child of the server; False in this one.

    The process between the two ends once the server adopts orphans: Linux then gives
    the kernel, its child, to the server.
    """
    try:
        between = os.fork()
    except OSError:  # no memory for it, or too many processes
        return False
    if between:
        os.waitpid(between, 0)
        return False
    try:
        between = os.getpid()
        if kernel := os.fork():
            request.line.send(str(kernel).encode())
            request.line.recv(protocol.LONGEST)  # ADOPT, or nothing if it gave up
            os._exit(0)
        os.setsid()
        newborn.take_over(request)
        while os.getppid() == between:
            time.sleep(0.001)
        if os.getppid() == server:
            request.line.send(protocol.BORN)
            return True
    except (OSError, MemoryError):
        pass  # as if there had been no fork: the server starts an ordinary kernel
    os._exit(1)


def _wait_for_request(control: socket.socket, server: int) -> protocol.Request | None:
    while not select.select([control], [], [], _PATIENCE)[0]:
        if os.getppid() != server:  # a process that it forked may hold its socket
            return None
    return protocol.receive(control)


def serve(control: socket.socket, server: int) -> protocol.Request | None:
    """Fork a kernel for every request.

    Args:
        control: Where requests come from.
        server: Process id of the server.

    Returns:
        In a kernel, what it was forked for; in the parent, None at its end.

    Raises:
        RuntimeError: If this process must not be forked.
    """
    _check_can_fork()
    with control:
        control.send(protocol.READY)
        while request := _wait_for_request(control, server):
            _check_can_fork()
            if _fork(request, server):
                return request
            request.close()
    return None


def main() -> None:
    """Be the parent and, in each fork, a kernel."""
    control, server = socket.socket(fileno=int(sys.argv[1])), os.getppid()
    _import_all()
    if request := serve(control, server):
        request.close()
        newborn.run()


if __name__ == "__main__":
    main()
