"""What Jupyter calls to start a kernel: a fork where it can be, else as ever."""

import asyncio
import os
import subprocess
from contextlib import ExitStack
from typing import Any

from jupyter_client import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool

from course_utils.ready_kernel import server, suitable
from course_utils.ready_kernel.adopted import AdoptedProcess
from course_utils.ready_kernel.protocol import Launch


def _ended_input(stack: ExitStack) -> int:
    """Return a standard input from which nothing can be read, as a kernel has it."""
    readable, writable = os.pipe()
    os.close(writable)
    stack.callback(os.close, readable)
    return readable


def _descriptor(stack: ExitStack, stream: Any, default: int) -> int:
    """Return the descriptor that ``Popen`` would use for a stream."""
    if stream == subprocess.DEVNULL:
        return stack.enter_context(open(os.devnull, "r+b", buffering=0)).fileno()
    if stream is None:
        return default
    return stream if isinstance(stream, int) else stream.fileno()


async def _fork(command: list[str], options: dict[str, Any]) -> AdoptedProcess:
    # As jupyter_client's `launch_kernel` does.
    environment = {**options["env"], "JPY_PARENT_PID": str(os.getpid())}
    # As a lesson would set it; its parent has it for all.
    environment.setdefault("OMP_NUM_THREADS", "1")
    launch = Launch(command, environment, str(options.get("cwd") or os.getcwd()))
    with ExitStack() as stack:
        given = options.get("stdin"), options.get("stdout"), options.get("stderr")
        usual = _ended_input(stack), 1, 2
        streams = [_descriptor(stack, *each) for each in zip(given, usual, strict=True)]
        if given[2] == subprocess.STDOUT:
            streams[2] = streams[1]
        return await server.new_kernel(launch, streams)


class ReadyProvisioner(LocalProvisioner):
    """Kernels of lessons are forks of one process; all others start as ever."""

    any_notebook = Bool(False, help="Whether every notebook counts as a lesson.")

    async def launch_kernel(
        self, cmd: list[str], **kwargs: Any
    ) -> KernelConnectionInfo:
        """Start a kernel, and return how to reach it."""
        try:
            suitable.check(cmd, kwargs, self.any_notebook)
            self.process = await _fork(cmd, kwargs)
        except (ValueError, OSError, asyncio.TimeoutError) as reason:
            self.log.debug("Kernel %s, ordinary start: %s", self.kernel_id, reason)
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd") or os.getcwd()
        return self.connection_info
