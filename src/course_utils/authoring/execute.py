"""Execute one notebook, headless, in a new kernel of the Python that runs this."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from traitlets import default
from traitlets.config import Config

from course_utils import ready_kernel
from course_utils.authoring.cell_progress import CellProgress, OnCell, describe_failure
from course_utils.environment import for_kernel

_LONGEST_SOCKET = 100  # characters; macOS allows 103, of which `-1` takes two


@dataclass(frozen=True)
class ExecutedNotebook:
    """The result of one execution.

    Attributes:
        notebook: The notebook with the outputs of every cell that ran.
        seconds: Wall-clock time, from the start of the kernel to its end.
        failure: Which cell failed and why, as one sentence; ``""`` if all went well.
    """

    notebook: NotebookNode
    seconds: float
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether every cell ran, or raised where its tag allows it."""
        return not self.failure


class _ThisPython(KernelSpecManager):
    """Answers every kernel name with the interpreter that runs this.

    An installed ``python3`` kernel may belong to another environment.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        spec = KernelSpec(resource_dir="", **get_kernel_dict())
        spec.metadata.update(ready_kernel.metadata())
        return spec


class _Manager(AsyncKernelManager):
    @default("kernel_spec_manager")
    def _use_this_python(self) -> KernelSpecManager:
        return _ThisPython()


def _own_sockets(folder: str) -> Config:
    """Return a configuration in which the kernel is reached by files of a folder.

    A port is free when it is chosen, and may be another program's when the kernel takes
    it: then the client would wait for ever. Windows has no such files, and elsewhere
    their path is limited.
    """
    path = f"{folder}/kernel"
    if os.name == "nt" or len(path) > _LONGEST_SOCKET:
        return Config()
    return Config({"AsyncKernelManager": {"transport": "ipc", "ip": path}})


def _run(client: NotebookClient, at: CellProgress, start: dict[str, Any]) -> str:
    try:
        client.execute(**start)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except (
        CellExecutionError,
        CellTimeoutError,
        RuntimeError,
        AssertionError,
        AttributeError,
    ) as error:
        # nbclient ends the kernel on Ctrl-C. Which of these errors follows depends on
        # what it was waiting for at that moment.
        if getattr(client, "_async_cleanup_kernel_future", None) is not None:
            raise KeyboardInterrupt from None
        return describe_failure(error, at, f"{client.timeout} seconds")
    return ""


def execute_notebook(
    notebook: NotebookNode,
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    on_cell: OnCell | None = None,
    timeout_seconds: int = 600,
) -> ExecutedNotebook:
    """Return ``notebook`` with new outputs; the argument itself is not changed.

    The kernel is a new process of the running interpreter, whatever kernels are
    installed, and always ends, also after Ctrl-C. Where that is safe it is forked
    from one that has the imports: see `course_utils.ready_kernel`. A cell
    tagged ``raises-exception`` may raise. No timings are written into the notebook,
    and consecutive prints to one stream become one output, as nbval compares them.

    Args:
        notebook: In nbformat 4.
        folder: Working directory of the kernel.
        environment: Variables set for the kernel on top of this process's own.
        on_cell: Called with (code cells done, code cells in total) before and after
            each code cell.
        timeout_seconds: Limit for one cell.

    Raises:
        KeyboardInterrupt: If the run was stopped by the user.
    """
    notebook = nbformat.from_dict(notebook)
    progress = CellProgress(notebook, on_cell)
    profile = tempfile.TemporaryDirectory(
        prefix="course-ipython-", ignore_cleanup_errors=True
    )
    client = NotebookClient(
        notebook,
        kernel_manager_class=_Manager,
        config=_own_sockets(profile.name),
        timeout=timeout_seconds,
        record_timing=False,
        coalesce_streams=True,
        on_cell_execute=progress.started,
        on_cell_executed=progress.finished,
    )
    start = {
        "cwd": str(folder),
        # The user's own profile may show more of each cell, or run code before it.
        "env": for_kernel(os.environ)
        | {"IPYTHONDIR": profile.name}
        | dict(environment or {}),
        # What the kernel logs about its connections; a cell's stderr is an output.
        "stderr": subprocess.DEVNULL,
    }
    began = time.perf_counter()
    with profile:
        failure = _run(client, progress, start)
    return ExecutedNotebook(notebook, time.perf_counter() - began, failure)
