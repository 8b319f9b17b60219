"""``course lab``: JupyterLab, opened at the first lesson."""

import os
from pathlib import Path
from typing import Annotated

import typer

from course_utils.cli.folder import course_folder
from course_utils.cli.terminal import check_environment, check_installed, one_sentence
from course_utils.data.cache import ensure_writable, with_cache_folder

FIRST = "notebooks/00_start_here.ipynb"
SETTINGS = Path(__file__).parent / "jupyter"


def _writable_folders() -> dict[str, str]:
    """Return other folders for JupyterLab's files if its usual one is read-only."""
    from jupyter_core.paths import jupyter_runtime_dir

    runtime = Path(jupyter_runtime_dir())
    try:
        runtime.mkdir(mode=0o700, parents=True, exist_ok=True)  # as Jupyter does
        ensure_writable(runtime)
    except OSError:
        own = with_cache_folder(ensure_writable) / "jupyter"
        names = ("runtime", "config", "data")
        folders = {f"JUPYTER_{name.upper()}_DIR": str(own / name) for name in names}
        return {**folders, "IPYTHONDIR": str(own / "ipython")}
    return {}


def environment() -> dict[str, str]:
    """Return the environment variables that configure JupyterLab for this process.

    `SETTINGS` takes precedence over the user's own settings, which are left alone. It
    turns off the question about news, and hides the scripts from which the notebooks
    are generated; jupytext would rewrite them at every save.
    """
    paths = [str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths)),
        # A python3 kernel in the user's home may belong to another environment.
        "JUPYTER_PREFER_ENV_PATH": "1",
        **_writable_folders(),
    }


def arguments(folder: Path, port: int, browser: bool) -> list[str]:
    """Return JupyterLab's command line; access by token stays switched on."""
    there = (folder / FIRST).is_file()
    # A separate workspace, so that no tabs of other projects are restored.
    page = "/lab/workspaces/course" + (f"/tree/{FIRST}" if there else "")
    args = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url={page}",
    ]
    if not browser:
        args.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        args.append("--allow-root")  # the usual user of a container
    return args


def _start(args: list[str]) -> None:
    check_installed("jupyterlab", "JupyterLab", "jupyterlab")
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(args)


def lab(
    port: Annotated[
        int, typer.Option(help="Port; if it is taken, the next free one.")
    ] = 8888,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser window.")
    ] = True,
) -> None:
    """Open the course in JupyterLab, at the first lesson, on this machine only."""
    with one_sentence():
        check_environment()
        if not 1 <= port <= 65535:
            raise ValueError(f"Expected --port to be from 1 to 65535 but got {port}.")
        args = arguments(course_folder(), port, browser)
        os.environ.update(environment())
        _start(args)
