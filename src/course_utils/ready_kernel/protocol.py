"""What a server and its parent say to each other, over sockets that have no address.

A parent says `READY` once it has imported everything. A message asks for a kernel: it
carries a file that describes the launch, the kernel's standard streams, and a line on
which the answers come: the kernel's process id, and `BORN` once the server, with
`ADOPT`, has let it become its child.
"""

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass

READY, ADOPT, BORN = b"ready", b"adopt", b"born"
LONGEST = 32  # bytes of an answer


@dataclass(frozen=True)
class Launch:
    """How a kernel is to be started.

    Attributes:
        command: As for an ordinary kernel.
        environment: All of its variables.
        folder: Its working folder.
    """

    command: list[str]
    environment: dict[str, str]
    folder: str


@dataclass(frozen=True)
class Request:
    """A launch as it reaches the parent.

    Attributes:
        launch: What is asked for.
        line: Where to answer.
        streams: Descriptors of standard input, output and error.
    """

    launch: Launch
    line: socket.socket
    streams: list[int]

    def close(self) -> None:
        """Close what came with the request."""
        self.line.close()
        for stream in self.streams:
            os.close(stream)


def connected() -> tuple[socket.socket, socket.socket]:
    """Return two sockets that reach each other and nobody else."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def ask(
    control: socket.socket, launch: Launch, streams: Sequence[int]
) -> socket.socket:
    """Ask for a kernel, and return the line on which the answers come.

    Raises:
        OSError: If the parent is gone, or does not read.
    """
    line, theirs = connected()
    # A file, because an environment may be longer than a message.
    with theirs, os.fdopen(os.memfd_create("launch"), "w") as file:
        json.dump(asdict(launch), file)
        file.flush()
        descriptors = [theirs.fileno(), file.fileno(), *streams]
        try:
            socket.send_fds(control, [b"kernel"], descriptors)
        except OSError:
            line.close()
            raise
    return line


def receive(control: socket.socket) -> Request | None:
    """Return the next request; None once the server has ended."""
    message, descriptors, _, _ = socket.recv_fds(control, LONGEST, 5)
    if not message:
        return None
    for each in descriptors:
        os.set_inheritable(each, False)
    line, file, *streams = descriptors
    with os.fdopen(file) as described:
        described.seek(0)
        launch = Launch(**json.load(described))
    return Request(launch, socket.socket(fileno=line), streams)
