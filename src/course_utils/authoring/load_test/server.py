"""One real Jupyter server for many learners, on this machine's loopback only."""

import contextlib
import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
KERNEL = "learner"
_START_SECONDS, _END_SECONDS = 120.0, 30.0


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        url: Where, with a slash at its end.
        token: What each request must show.
        pid: Its process; the kernels are this process's children.
        root: The folder that it serves.
    """

    url: str
    token: str
    pid: int
    root: Path


def check_installed() -> None:
    """Look for the Jupyter server, which comes with JupyterLab.

    Raises:
        ValueError: If it is not installed.
    """
    if importlib.util.find_spec("jupyter_server") is None:
        raise ValueError(
            "Expected a Jupyter server to be installed but it is not: run `python -m "
            "pip install jupyterlab` and try again."
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _write_kernel(home: Path, environment: Mapping[str, str]) -> None:
    from ipykernel.kernelspec import write_kernel_spec

    folder = home / "data" / "kernels"
    folder.mkdir(parents=True)
    write_kernel_spec(
        folder / KERNEL,
        overrides={"env": dict(environment)},
        # On a hub each learner has a history of their own; here they would share one.
        extra_arguments=["--HistoryManager.hist_file=:memory:"],
    )


def _own_home(home: Path, token: str) -> dict[str, str]:
    """Keep the user's own Jupyter settings out, and this server's files in."""
    return {
        **os.environ,
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_NO_CONFIG": "",
        "IPYTHONDIR": str(home / "ipython"),
    }


def _command(root: Path) -> list[str]:
    options = {
        "ip": HOST,
        "port": _free_port(),
        "root_dir": root,
        "open_browser": False,
        "allow_root": True,  # the usual user of a container
    }
    flags = [f"--ServerApp.{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyter_server", *flags]


def _last_words(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")


def _answering(file: Path) -> str:
    """Return the address in the server's own ``file``, which comes before it listens.

    Raises:
        OSError: If there is no such file, or nobody listens.
        ValueError: If the file is half written.
    """
    told = json.loads(file.read_text("utf-8"))
    socket.create_connection((HOST, told["port"])).close()
    return str(told["url"])


def _wait_for(process: subprocess.Popen[bytes], home: Path) -> str:
    """Return the server's address as soon as it answers."""
    file = home / "runtime" / f"jpserver-{process.pid}.json"
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            return _answering(file)
        time.sleep(0.1)
    raise RuntimeError(
        "Expected the Jupyter server to start but it did not; it last said: "
        f"{_last_words(home / 'log')}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # it ends its kernels, then itself
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def serving(root: Path, home: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Start a Jupyter server, and end it with all of its kernels in any case.

    It listens on 127.0.0.1 alone, at a free port, with a random token. Its kernels run
    the Python that runs this line.

    Args:
        root: The folder that it serves.
        home: An empty folder for all that it writes itself.
        environment: Variables set for the kernels on top of this process's own.

    Raises:
        RuntimeError: If it does not start.
    """
    token = secrets.token_hex(16)
    _write_kernel(home, environment)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            _command(root),
            env=_own_home(home, token),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which then ends it
        )
        try:
            yield Server(_wait_for(process, home), token, process.pid, root)
        finally:
            _end(process)
