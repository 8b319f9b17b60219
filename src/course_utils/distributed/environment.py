"""What makes a process a member of a group: the variables that torchrun would set."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress


def _loopback() -> str:
    with suppress(AttributeError, OSError):
        return next((n for _, n in socket.if_nameindex() if n.startswith("lo")), "")
    return ""


@contextmanager
def free_port() -> Iterator[int]:
    """Yield a TCP port of this machine and, on Linux, keep it from other programs.

    There, a bound socket that does not listen lets rank 0 listen on the same port
    while nobody else is offered it; the seconds that a fresh process needs to get so
    far are time enough to lose a port.
    """
    with closing(socket.socket()) as held:
        if sys.platform == "linux":
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        if sys.platform != "linux":
            held.close()
        yield port


def environment(rank: int, processes: int, port: int) -> dict[str, str]:
    """Return the environment variables of one process of a group on this machine.

    Args:
        rank: Number of the process, from 0.
        processes: Size of the group.
        port: TCP port on which rank 0 keeps the group's store.
    """
    names = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        # Lightning then joins the group, before it looks for SLURM or MPI.
        "TORCHELASTIC_RUN_ID": "course",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
        "CUDA_VISIBLE_DEVICES": "",
        # Keeps Lightning, too, from raising the number of threads after a fork.
        "OMP_NUM_THREADS": "1",
    }
    if os.name == "nt":
        names["USE_LIBUV"] = "0"  # torch for Windows is built without it
    elif loopback := _loopback():
        # Else gloo looks the host's name up, which can stall without a network.
        names["GLOO_SOCKET_IFNAME"] = loopback
    return names
