"""``course lab``: JupyterLab, opened at the first lesson of the learner's own copy."""

import os
import sysconfig
from pathlib import Path
from typing import Annotated

import typer

from course_utils import ready_kernel
from course_utils.cli import learner_copy
from course_utils.cli.folder import course_folder
from course_utils.cli.terminal import (
    check_environment,
    check_installed,
    complain,
    one_sentence,
)
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
    turns off the question about news, lets lessons start with their imports done
    unless ``COURSE_KERNEL=ordinary`` (see `course_utils.ready_kernel`), and hides the
    scripts from which the notebooks are generated; jupytext would rewrite them at every
    save.
    """
    scripts, path = sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)
    if scripts not in path.split(os.pathsep):  # so that its terminals find `course`
        path = os.pathsep.join([scripts, path])
    paths = [str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths)),
        # A python3 kernel in the user's home may belong to another environment.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PATH": path,
        **_writable_folders(),
    }


def arguments(folder: Path, port: int, browser: bool) -> list[str]:
    """Return JupyterLab's command line; access by token stays switched on.

    Args:
        folder: Of the learner's copy.
        port: To listen on.
        browser: Whether to open a browser window.
    """
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
    if os.name == "posix":  # a login shell, the default without a terminal, sets PATH
        shell = os.environ.get("SHELL") or "sh"
        args.append(f"--ServerApp.terminado_settings=shell_command={shell}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        args.append("--allow-root")  # the usual user of a container
    return args


def _start(args: list[str]) -> None:
    from jupyterlab.labapp import LabApp

    ready_kernel.begin()
    LabApp.launch_instance(args)


def _replace_process(command: list[str]) -> None:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise ValueError(
            f"Expected a command that can be started but got {command[0]!r}: "
            f"{error.strerror}."
        ) from error


def prepare(course: Path) -> Path:
    """Lay what the learner's copy lacks, tell what is new, and return its folder.

    Raises:
        DataError: If it cannot be written.
    """
    with learner_copy.opened(course) as copy:
        newer = copy.start()
    complain(f"Your own copy of the lessons is in {copy.folder}.")
    for sentence in copy.damaged:
        complain(sentence)
    if newer:
        complain(
            f"The course has a new version of {', '.join(newer)}; `course update` lays "
            "it there, and keeps what you changed."
        )
    return copy.folder


def lab(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="Start this instead of JupyterLab, with the course's settings, in the "
            "folder of your lessons: for a hub."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port; if it is taken, the next free one.")
    ] = 8888,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser window.")
    ] = True,
) -> None:
    """Open your copy of the lessons in JupyterLab, on this machine only.

    The copy has no outputs, so that no answer stands below its question.
    """
    with one_sentence():
        check_environment()
        if not 1 <= port <= 65535:
            raise ValueError(f"Expected --port to be from 1 to 65535 but got {port}.")
        if not command:
            check_installed("jupyterlab", "JupyterLab", "jupyterlab")
        course = course_folder()
        os.environ.update(environment())
        folder = prepare(course)
        os.chdir(folder)  # where a terminal that is opened from the Launcher starts
        if command:
            _replace_process(command)
        _start(arguments(folder, port, browser))
