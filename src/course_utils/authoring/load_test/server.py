"""The memory of one Jupyter server, of which a JupyterHub starts one per learner."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

START_SECONDS = 120


def _command(home: Path) -> list[str]:
    options = {
        "ip": "127.0.0.1",
        "root_dir": home,
        "open_browser": False,
        "allow_root": True,  # the usual user of a container
    }
    flags = [f"--ServerApp.{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyter_server", *flags]


def _wait_until_started(process: "subprocess.Popen[bytes]", home: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not list(home.glob("runtime/jpserver-*.json")):  # written when it listens
        if process.poll() is not None or time.monotonic() > deadline:
            log = (home / "log").read_text("utf-8", errors="replace").strip()
            raise RuntimeError(
                "Expected the Jupyter server to start but it did not; its last line of "
                f"output: {log.splitlines()[-1] if log else 'none'}"
            )
        time.sleep(0.1)


def server_megabytes() -> float:
    """Start a Jupyter server without kernels, return its memory in MB, and stop it.

    Raises:
        RuntimeError: If it does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        # Without the user's settings, and without a trace in the user's folders.
        variables = {
            f"JUPYTER_{name.upper()}_DIR": str(home / name)
            for name in ("config", "data", "runtime")
        }
        with (
            (home / "log").open("wb") as log,
            subprocess.Popen(
                _command(home),
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            ) as process,
        ):
            try:
                _wait_until_started(process, home)
                return psutil.Process(process.pid).memory_full_info().pss / 2**20
            finally:
                process.kill()  # it has no kernels that it would have to end
