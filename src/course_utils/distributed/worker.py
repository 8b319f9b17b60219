"""The inside of one process of a run: do the work, leave the answer in a file.

It imports neither torch nor Lightning, so that a failing import of either is
reported like any other error of the work.
"""

import json
import os
import pickle
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import cloudpickle

LIFELINE = 0  # standard input: a pipe whose other end only the parent holds
LINGER_SECONDS = 2.0
NO_ROOM = 74  # exit code, EX_IOERR of sysexits.h: the mailbox cannot be written


@dataclass(frozen=True)
class Mailbox:
    """Where one process leaves what the parent reads.

    Attributes:
        folder: Folder shared by all processes of a run.
        rank: Number of the process, from 0.
    """

    folder: Path
    rank: int

    @property
    def result(self) -> Path:
        """The pickled return value, present once the work has returned."""
        return self.folder / f"{self.rank}.result"

    @property
    def error(self) -> Path:
        """A JSON table with type, message and time, present after an exception."""
        return self.folder / f"{self.rank}.error"

    @property
    def log(self) -> Path:
        """All that the process wrote to its standard output and error."""
        return self.folder / f"{self.rank}.log"

    @property
    def work(self) -> Path:
        """The pickled work of a fresh process, one file for all ranks."""
        return self.folder / "work.pickle"


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)  # the parent sees the whole file or none


def _put_error(mailbox: Mailbox, error: BaseException, returned: str = "") -> None:
    report = {
        "type": type(error).__name__,
        "message": str(error),
        "returned": returned,
        "time": time.monotonic(),  # the same clock for all, which nobody sets back
    }
    _put(mailbox.error, json.dumps(report).encode())
    traceback.print_exception(type(error), error, error.__traceback__)


def _pickled(value: object, by_reference: bool) -> bytes:
    if by_reference:
        # Plain pickle names a class of `__main__`, so the parent gets instances of
        # its own class; cloudpickle would send a copy of the class.
        with suppress(Exception):
            return pickle.dumps(value)
    return cloudpickle.dumps(value)


def _end() -> None:
    """End this process and the data loader workers it may have started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _end_with_parent(folder: Path) -> None:
    with suppress(OSError):
        os.read(LIFELINE, 1)  # returns when the parent has let go or has died
    shutil.rmtree(folder, ignore_errors=True)  # a parent that was killed cannot
    _end()


def redirect(log: Path) -> None:
    """Send all output of a forked process to ``log``, also that of old references.

    A kernel's ``sys.stdout`` talks to sockets that belong to the parent, and
    logging handlers hold on to it: its methods are replaced, not only its name.
    """
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    stream = open(  # noqa: SIM115
        1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False
    )
    for old in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            old.write, old.flush = stream.write, stream.flush
    sys.stdout = sys.stderr = stream


def _answer(work: Callable[[], object], mailbox: Mailbox, forked: bool) -> None:
    """Leave what ``work`` returned or raised in ``mailbox``.

    Raises:
        OSError: If there is no room for it.
    """
    try:
        value = work()
    except BaseException as error:  # Lightning turns an interrupt into SystemExit
        _put_error(mailbox, error)
        return
    try:
        content = _pickled(value, forked)
    except Exception as error:
        _put_error(mailbox, error, returned=type(value).__name__)
        return
    _put(mailbox.result, content)


def serve(work: Callable[[], object], mailbox: Mailbox, *, forked: bool) -> NoReturn:
    """Run ``work``, leave its result or its error in ``mailbox`` and end the process.

    Args:
        work: Called once without arguments.
        mailbox: Where result and error go.
        forked: Whether this process shares ``__main__`` with the parent.
    """
    folder = (mailbox.folder,)
    threading.Thread(target=_end_with_parent, args=folder, daemon=True).start()
    try:
        _answer(work, mailbox, forked)
    except OSError:
        os._exit(NO_ROOM)
    # A slower process may still need this one's sockets, so stay for a moment; not
    # for ever, so that one which waits in a collective soon learns that it is alone.
    time.sleep(LINGER_SECONDS)
    os._exit(0)  # no exit handlers: a forked process inherited those of the kernel


def main() -> NoReturn:
    """Serve as a fresh process; the command line names the folder and the rank."""
    mailbox = Mailbox(Path(sys.argv[1]), int(sys.argv[2]))
    serve(
        lambda: pickle.loads(mailbox.work.read_bytes())(),
        mailbox,
        forked=False,
    )
