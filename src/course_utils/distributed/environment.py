"""The environment variables that make a process a member of a process group."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress


def _loopback_interface() -> str:
    with suppress(AttributeError, OSError):
        return next((n for _, n in socket.if_nameindex() if n.startswith("lo")), "")
    return ""


@contextmanager
def free_port() -> Iterator[int]:
    """Yield a free TCP port and, on Linux, reserve it during the block.

    A fresh process imports for seconds before rank 0 listens, and another program
    could take the port meanwhile. On Linux a socket that is bound but not listening
    prevents that: with SO_REUSEADDR, rank 0 can still bind the port, but the system
    does not hand it out again.
    """
    with closing(socket.socket()) as reserved:
        if sys.platform == "linux":
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        if sys.platform != "linux":
            reserved.close()
        yield port


def worker_environment(rank: int, processes: int, port: int) -> dict[str, str]:
    """Return the environment variables that torchrun would set for one process.

    Args:
        rank: Number of the process, from 0.
        processes: Size of the group.
        port: TCP port of the group's key-value store, which rank 0 hosts.
    """
    variables = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        # Lightning checks for torchrun before it checks for SLURM or MPI, so with
        # these two it ignores a cluster that the notebook happens to run on.
        "TORCHELASTIC_RUN_ID": "course",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
        "CUDA_VISIBLE_DEVICES": "",
        # Without it, Lightning would raise the number of threads after a fork.
        "OMP_NUM_THREADS": "1",
    }
    if os.name == "nt":
        variables["USE_LIBUV"] = "0"  # torch for Windows is built without libuv
    elif loopback := _loopback_interface():
        # Otherwise gloo looks up the host name, which can stall without a network.
        variables["GLOO_SOCKET_IFNAME"] = loopback
    return variables
