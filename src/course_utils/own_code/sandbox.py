"""Keep somebody's code from changing files, and let it import Lightning by any name."""

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_utils.own_code.landlock import only_writes_inside

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Events of Python's audit hooks that change files, and which arguments are paths.
_CHANGES = {
    **{"os.remove": (0,), "os.rmdir": (0,), "os.mkdir": (0,), "os.truncate": (0,)},
    **{"os.rename": (0, 1), "os.link": (1,), "os.symlink": (1,), "os.chmod": (0,)},
    **{
        "os.chown": (0,),
        "os.utime": (0,),
        "shutil.rmtree": (0,),
        "shutil.move": (0, 1),
    },
}
# Events that start another program, whose doings no hook of ours sees.
_STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile",
           "subprocess.Popen")  # fmt: skip
_ALWAYS = ("/dev", "/proc")


class Refused(PermissionError):
    """The code under examination would have changed a file of its user."""


def _is_inside(path: Any, folders: Sequence[str]) -> bool:
    place = os.path.realpath(os.fsdecode(path))
    return any(place == f or place.startswith(f + os.sep) for f in folders)


def refuse_writes(folder: Path) -> None:
    """Let this process change files inside ``folder`` only, until it ends.

    Where the kernel sees to that, it holds for C++ code and for other programs, too.
    Elsewhere no other program is started.
    """
    allowed = [os.path.realpath(folder), *_ALWAYS]
    by_the_kernel = only_writes_inside(filter(os.path.isdir, allowed))

    def check(path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike) and not _is_inside(
            path, allowed
        ):
            raise Refused(f"it would change {os.fsdecode(path)}; nothing was changed")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = set(mode) & set("wax+") if isinstance(mode, str) else False
            if writes or (isinstance(flags, int) and flags & _WRITES):
                check(path)
        elif event in _CHANGES:
            for index in _CHANGES[event]:
                check(args[index])
        elif event in _STARTS and not by_the_kernel:
            raise Refused("it would start another program; none was started")

    sys.addaudithook(hook)
    _guard_torch(check)


def _guard_torch(check: Any) -> None:
    """Guard ``torch.save``, which writes in C++, out of sight of audit hooks."""
    import torch

    save = torch.save

    def guarded(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
        check(f)
        return save(obj, f, *args, **kwargs)

    torch.save = guarded


_PARTS = {
    "pytorch_lightning": "lightning.pytorch",
    "lightning_fabric": "lightning.fabric",
}


class _OneLightning(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import ``pytorch_lightning.x`` as ``lightning.pytorch.x``, the same code."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] not in _PARTS:
            return None
        return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        package, _, rest = spec.name.partition(".")
        return importlib.import_module(".".join(filter(None, (_PARTS[package], rest))))

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: it is already imported."""


def one_lightning() -> None:
    """Let all names of Lightning mean one package, whose Trainer asks the questions.

    They are published from the same source. Only this process is affected.
    """
    sys.meta_path.insert(0, _OneLightning())


def trainers_leave_benchmark_mode() -> None:
    """Let a Trainer leave benchmark mode as it was: there it is asked for rightly."""
    import lightning as L
    import torch

    make = L.Trainer.__init__

    @functools.wraps(make)
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        before = torch.backends.cudnn.benchmark
        make(self, *args, **kwargs)
        torch.backends.cudnn.benchmark = before

    L.Trainer.__init__ = made  # type: ignore[method-assign]
