"""In the server: its one parent, and the kernels that it asks for."""

import asyncio
import atexit
import os
import select
import site
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from course_utils.ready_kernel import protocol
from course_utils.ready_kernel.adopted import AdoptedProcess, adopting
from course_utils.ready_kernel.suitable import environment_of_parent

_PACKAGE = Path(__file__).parents[1]
_MODULE = "course_utils.ready_kernel.parent"
_IMPORTS = 120.0  # seconds that a parent may need for them, on a busy machine
_MOMENT = 10.0  # seconds for a process to end and to be adopted


def _importable(folder: Path) -> Iterator[Path]:
    """Yield what can be imported from a folder, in which other files come and go."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix == ".py" or path.is_dir() and path.name[0] not in "._":
            yield path


def _times(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield when the package and what else a parent imports changed last."""
    installed = [*site.getsitepackages(), site.getusersitepackages()]
    for path in (*map(Path, installed), *sorted(_PACKAGE.rglob("*.py"))):
        if path.exists():
            yield str(path), path.stat().st_mtime_ns
    for folder in filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)):
        for path in _importable(Path(folder)):
            yield str(path), 0 if path.is_dir() else path.stat().st_mtime_ns


class _Parent:
    """A process that has imported what lessons import, or is about to."""

    def __init__(self, environment: Mapping[str, str], times: object) -> None:
        self.environment, self.times, self.server = environment, times, os.getpid()
        self.control, theirs = protocol.connected()
        self.control.setblocking(False)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(theirs.fileno())],
                env=environment,
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is not for it
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def serves(self, environment: Mapping[str, str], times: object) -> bool:
        """Return whether it is, or will be, the parent of such kernels.

        Raises:
            ChildProcessError: If it failed: another one would fail as well.
        """
        wanted = (environment, times, os.getpid())
        if (self.environment, self.times, self.server) != wanted:
            return False
        status = self.process.poll()
        if status is not None and status > 0:  # by itself; nobody has killed it
            raise ChildProcessError("The parent of kernels has failed.")
        return status is None

    def wait(self) -> None:
        """Wait until it has imported everything.

        Raises:
            ConnectionError: If it failed, or took too long.
        """
        said = b""
        if select.select([self.control], [], [], _IMPORTS)[0]:
            said = self.control.recv(protocol.LONGEST, socket.MSG_PEEK)
        if said != protocol.READY:
            raise ConnectionError("The parent of kernels is not ready.")

    def end(self) -> None:
        if self.server != os.getpid():  # this is a fork of the server
            return
        self.control.close()
        self.process.kill()
        self.process.wait()


_parent: _Parent | None = None
_lock = threading.Lock()


def _end() -> None:
    if _parent:
        _parent.end()


atexit.register(_end)


def prepare(environment: Mapping[str, str]) -> _Parent:
    """Return the parent of kernels with this environment; start it if there is none.

    One that was made for another environment, or before the package or an installed
    library changed, is replaced. Kernels that it has forked stay.

    Raises:
        OSError: If it cannot be started, or has failed.
    """
    global _parent
    common, times = environment_of_parent(environment), tuple(_times(environment))
    with _lock:
        if _parent is None or not _parent.serves(common, times):
            _end()
            _parent = None
            _parent = _Parent(common, times)
        return _parent


def _adopt(line: socket.socket) -> None:
    """Make the kernel at the other end a child of this process.

    Raises:
        OSError: If it does not live, or cannot be adopted.
    """
    line.settimeout(_MOMENT)
    with adopting():
        line.send(protocol.ADOPT)
        if line.recv(protocol.LONGEST) != protocol.BORN:
            raise ConnectionError("The kernel ended before it began.")


async def new_kernel(launch: protocol.Launch, streams: Sequence[int]) -> AdoptedProcess:
    """Return a new kernel.

    Args:
        launch: How it is started.
        streams: Descriptors of its standard input, output and error.

    Raises:
        OSError: If the parent cannot be asked, or the kernel failed.
        ValueError: If it has ended.
        asyncio.TimeoutError: If it did not answer.
    """
    with protocol.ask(prepare(launch.environment).control, launch, streams) as line:
        line.setblocking(False)
        answer = asyncio.get_running_loop().sock_recv(line, protocol.LONGEST)
        pid = await asyncio.wait_for(answer, _IMPORTS)
        process = AdoptedProcess(int(pid))
        try:
            _adopt(line)
        except OSError:
            process.kill()  # if it became a child of this process
            process.wait()
            raise
        return process
