"""Keep the user's environment out of the experiments: launchers, defaults, warnings.

Lightning and torch read variables that a cluster, a launcher or a user's profile has
set for other programs. They would change how a lesson trains, or end it.
"""

import importlib
import multiprocessing.util
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

_PREFIXES = (
    # Lightning joins the group of processes that these describe.
    *("SLURM_", "TORCHELASTIC_", "LSB_", "JSM_"),
    *("OMPI_", "PMI_", "PMIX_", "MV2_COMM_"),  # read by mpi4py, if it is installed
    "PL_TRAINER_",  # defaults of `Trainer(...)`
)
_NAMES = {
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "ROLE_RANK", "ROLE_NAME"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE"),
    *("MASTER_ADDR", "MASTER_PORT"),
    # Other defaults of `torch.load` than those that lessons measure.
    *("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD"),
    "TORCH_DISTRIBUTED_DEBUG",  # DETAIL ends a forked process with SIGSEGV
    "PYTHONWARNINGS",
}
# A kernel reads these when it starts.
_AT_START = {"PYTHONSTARTUP", "PYTHONOPTIMIZE"}
# Sockets of multiprocessing lie at `pymp-xxxxxxxx/listener-xxxxxxxx` in the temporary
# folder. The path of a socket has 104 bytes on macOS and 108 on Linux, one for the end.
_LONGEST_FOLDER = 103 - len("/pymp-xxxxxxxx/listener-xxxxxxxx")
_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def foreign(variables: Iterable[str]) -> list[str]:
    """Return those of ``variables`` that would change an experiment, sorted."""
    return sorted(
        name for name in variables if name in _NAMES or name.startswith(_PREFIXES)
    )


def in_short(names: Iterable[str]) -> str:
    """Return names for a sentence, those of one family as its prefix.

    Example:
        >>> in_short(["RANK", "SLURM_JOB_NAME", "SLURM_NTASKS"])
        'RANK, SLURM_*'
    """
    families = {n: next((p for p in _PREFIXES if n.startswith(p)), "") for n in names}
    return ", ".join(dict.fromkeys(f"{p}*" if p else n for n, p in families.items()))


def for_kernel(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a kernel gets which the course itself executes."""
    ignored = {*foreign(variables), *_AT_START}
    return {name: value for name, value in variables.items() if name not in ignored}


def _forget_what_imports_read() -> None:
    # Other ranks than 0 log nothing and save nothing.
    if rank_zero := sys.modules.get("lightning_utilities.core.rank_zero"):
        rank_zero.rank_zero_only.rank = 0
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed and distributed.is_available():
        distributed.set_debug_level_from_env()


def _forget_strict_warnings() -> None:
    """Drop ``python -W error``: a warning of a library is no error of the learner."""
    if sys.warnoptions:
        warnings.filters[:] = [
            each
            for each in warnings.filters
            if each[0] != "error" or each[2].__module__ != "builtins" or each[3]
        ]


def drop_unknown_backend() -> str:
    """Unset an ``MPLBACKEND`` with which Matplotlib cannot be imported, and say so."""
    if not os.environ.get("MPLBACKEND") or "matplotlib" in sys.modules:
        return ""
    backend = os.environ.pop("MPLBACKEND")
    matplotlib = importlib.import_module("matplotlib")  # as torchmetrics does next
    try:
        matplotlib.rcParams["backend"] = backend
    except ValueError:
        return f"MPLBACKEND={backend} is ignored: Matplotlib has no such backend."
    os.environ["MPLBACKEND"] = backend
    return ""


def longest_folder_for_sockets() -> int:
    """Return how many bytes the path of a folder may have that is to hold sockets."""
    return _LONGEST_FOLDER if os.name == "posix" else sys.maxsize


def use_short_sockets() -> str:
    """Give multiprocessing a short folder for its sockets if ``TMPDIR`` is too long.

    Data loader workers send tensors through such a socket; where its path does not
    fit, they print an error and the loader waits for ever.

    Returns:
        A sentence if no short folder can be written, else ``""``.
    """
    try:
        usual = tempfile.gettempdir()
    except OSError:  # nothing can be written anywhere, which is said where it matters
        return ""
    if len(os.fsencode(usual)) <= longest_folder_for_sockets():
        return ""
    for folder in _SHORT_FOLDERS:
        tempfile.tempdir = folder
        try:
            multiprocessing.util.get_temp_dir()  # makes one, and stays with it
            return ""
        except OSError:
            continue
        finally:
            tempfile.tempdir = usual
    return (
        f"TMPDIR is too long for sockets, {usual}, so data loader workers would hang: "
        f"set it to a folder of at most {longest_folder_for_sockets()} characters and "
        "restart the kernel."
    )


def isolate() -> list[str]:
    """Take the user's environment out of this process, before it trains.

    Processes that `course_utils.distributed` starts afterwards inherit none of it, and
    are given variables of their own.

    Returns:
        A sentence for each thing that a learner should know.
    """
    names = foreign(os.environ)
    for name in names:
        del os.environ[name]
    _forget_what_imports_read()
    _forget_strict_warnings()
    said = [drop_unknown_backend(), use_short_sockets()]
    if names:
        said.append(f"Ignored, since they change a lesson's runs: {in_short(names)}.")
    if sys.flags.optimize:  # it cannot be switched off any more
        said.append("PYTHONOPTIMIZE removes what lessons need: unset it and restart.")
    return [*filter(None, said)]
